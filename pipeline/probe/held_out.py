"""The two splits of a set as probes see them. The test split is opened by `open_test` and by nothing else.

Fitting takes what `open_train` gives; scoring takes finished probes and what `open_test` gives. So no choice
can depend on a test label, whatever the order of calls: what fits has no way to reach one.
"""

from dataclasses import dataclass
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
import torch
from jaxtyping import UInt8
from torch import Tensor

from pipeline.data.labels import Label
from pipeline.data.store import ImageSet
from pipeline.files import InputError
from pipeline.measure.patches import SOURCE, patch_labels
from pipeline.probe.targets import Targets, read_targets


@dataclass(frozen=True)
class ProbedSet:
    """A set, its folder of artifacts/embeddings, and the labels to probe, of images and of patches.

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

    images: memory-mapped. features: by view, read from the file when asked for. patches: targets and the file
    of single patches, None where there is none.
    """

    images: UInt8[np.ndarray, "images size size 3"]
    targets: Targets
    path: Path
    device: torch.device
    patches: "Patches | None"

    def __len__(self) -> int:
        return len(self.images)

    def features(self, view: str) -> Tensor:
        """(images, dim) float32 of one view. Raises InputError where the file is broken."""
        return torch.from_numpy(_read(self.path, view)).to(self.device)


@dataclass(frozen=True)
class Patches:
    """Patches of some images of a split, image by image."""

    targets: Targets
    views: list[str]
    num_images: int
    per_image: int
    path: Path
    device: torch.device

    def features(self, view: str) -> Tensor:
        """(images * patches, dim) float32 of one view."""
        return torch.from_numpy(_read(self.path, view)).flatten(0, 1).to(self.device)


def open_train(probed: ProbedSet) -> Examples:
    """The training split: for fitting and for every choice. Raises as `open_test` does."""
    return _open(probed, "train")


def open_test(probed: ProbedSet) -> Examples:
    """The test split: for final scores, once every probe is finished.

    Raises InputError where the embeddings are missing or broken, or not of the set's images.
    """
    return _open(probed, "test")


def _open(probed: ProbedSet, split: str) -> Examples:
    content, path = probed.image_set.split(split), probed.embeddings / f"{split}.npz"
    ids, labels = _read(path, "ids"), content.labels
    if not np.array_equal(ids, labels["id"].to_numpy()):
        raise InputError(f"{path}: {len(ids)} embeddings, not of the {len(labels)} images that have labels")
    if len(labels) < 2:
        raise InputError(f"{path}: {len(labels)} images are too few to probe; at least 2")
    patches, tokens = None, probed.embeddings / f"tokens_{split}.npz"
    if probed.patch_labels and tokens.exists():
        rows = _read(tokens, "rows")
        of_patches = patch_labels(np.asarray(content.patch_labels[SOURCE][rows]), probed.patch_size)
        patches = Patches(
            targets=read_targets(of_patches, probed.patch_labels, probed.device),
            views=[name for name in _names(tokens) if name != "rows"],
            num_images=len(rows),
            per_image=len(of_patches) // len(rows),
            path=tokens,
            device=probed.device,
        )
    specs = probed.labels | {name: probed.image_set.labels[name] for name in probed.also_read}
    targets = read_targets(labels, specs, probed.device)
    return Examples(content.images, targets, path, probed.device, patches)


def _names(path: Path) -> list[str]:
    with np.load(path) as arrays:
        return list(arrays)


def _read(path: Path, name: str) -> np.ndarray:
    try:
        with np.load(path) as arrays:
            return arrays[name]
    except (OSError, ValueError, KeyError, BadZipFile) as error:
        raise InputError(f"{path}: not readable embeddings ({error}); run `dvc repro -f -s embed`") from None
