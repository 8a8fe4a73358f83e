"""The two splits of a set as probes see them. The test split is opened by `open_test` and by nothing else.

Fitting takes what `open_train` returns. Scoring takes finished probes and what `open_test` returns. So no
choice can depend on a test label, whatever the order of calls.
"""

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from jaxtyping import UInt8
from torch import Tensor

from pipeline.data.labels import Label
from pipeline.data.store import ImageSet
from pipeline.files import InputError
from pipeline.measure.embedding_store import (
    ViewFile,
    corrupted_views,
    corruptions,
    image_views,
    patch_views,
)
from pipeline.measure.patches import SOURCE, patch_labels
from pipeline.probe.targets import Targets, read_targets


@dataclass(frozen=True)
class ProbedSet:
    """A set, the folder of the embeddings, and the labels to probe, of images and of patches.

    also_read: labels that serve as a feature. patch_size: of the encoder, pixels.
    """

    image_set: ImageSet
    embeddings: Path
    labels: dict[str, Label]
    patch_labels: dict[str, Label]
    also_read: tuple[str, ...]
    patch_size: int
    device: torch.device


@dataclass(frozen=True)
class Examples:
    """One split of a set, with its embeddings.

    images: memory-mapped. file: of the views, each read when it is asked for. patches: targets and the file
    of single patches, None where there is none. corrupted: by corruption, the file of some of these images.
    """

    images: UInt8[np.ndarray, "images size size 3"]
    targets: Targets
    file: ViewFile
    device: torch.device
    patches: "Patches | None"
    corrupted: dict[str, ViewFile] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.images)

    def under_corruptions(self, view: str) -> dict[str, tuple[Tensor, Tensor]]:
        """By corruption the rows of its images, and (rows, dim) float32 of one view; empty where a file lacks
        the view."""
        return {
            name: (
                torch.from_numpy(file.read_index()).to(self.device),
                torch.from_numpy(file.read(view)).to(self.device),
            )
            for name, file in self.corrupted.items()
            if view in file.views()
        }

    def features(self, view: str) -> Tensor:
        """(images, dim) float32 of one view. Raises InputError where the file is broken."""
        return torch.from_numpy(self.file.read(view)).to(self.device)


@dataclass(frozen=True)
class Patches:
    """Patches of some images of a split, image by image."""

    targets: Targets
    views: list[str]
    num_images: int
    per_image: int
    file: ViewFile
    device: torch.device

    def features(self, view: str) -> Tensor:
        """(images * patches, dim) float32 of one view."""
        return torch.from_numpy(self.file.read(view)).flatten(0, 1).to(self.device)


def open_train(probed: ProbedSet) -> Examples:
    """The training split: for fitting and for every choice. Raises as `open_test` does."""
    return _open(probed, "train")


def open_test(probed: ProbedSet) -> Examples:
    """The test split: for final scores, once every probe is finished.

    Raises InputError where the embeddings are missing or broken, or not of the set's images.
    """
    return _open(probed, "test")


def _open(probed: ProbedSet, split: str) -> Examples:
    name, content = probed.image_set.name, probed.image_set.split(split)
    file, patch_file = (views(probed.embeddings, name, split) for views in (image_views, patch_views))
    ids, labels = file.read_index(), content.labels
    if not np.array_equal(ids, labels["id"].to_numpy()):
        raise InputError(
            f"{file.path}: {len(ids)} embeddings, not of the {len(labels)} images that have labels"
        )
    if len(labels) < 2:
        raise InputError(f"{file.path}: {len(labels)} images are too few to probe; at least 2")
    patches = None
    if probed.patch_labels and patch_file.exists():
        rows = patch_file.read_index()
        of_patches = patch_labels(np.asarray(content.patch_labels[SOURCE][rows]), probed.patch_size)
        patches = Patches(
            targets=read_targets(of_patches, probed.patch_labels, probed.device),
            views=patch_file.views(),
            num_images=len(rows),
            per_image=len(of_patches) // len(rows),
            file=patch_file,
            device=probed.device,
        )
    specs = probed.labels | {name: probed.image_set.labels[name] for name in probed.also_read}
    targets = read_targets(labels, specs, probed.device)
    names = corruptions(probed.embeddings, name) if split == "test" else []
    corrupted = {each: corrupted_views(probed.embeddings, name, each) for each in names}
    return Examples(content.images, targets, file, probed.device, patches, corrupted)
