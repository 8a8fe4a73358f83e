"""What a finished run left behind, read back: its views of a set's images, its module, its settings."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np

from pipeline.data.store import SPLITS, ImageSet
from pipeline.files import InputError, read_json
from pipeline.measure.embeddings import fingerprint
from pipeline.sparsity.exported import load_method
from pipeline.sparsity.method import SparsityMethod

VIEWS = ("encoder", "latent", "groups", "random_init", "pixels_pca")


@dataclass(frozen=True)
class Run:
    """name: of its folder. views: by split and view, rows as asked for. method: its module, None where it
    trained without. settings: its sparsity section, {} where it is not known."""

    name: str
    folder: Path
    views: dict[str, dict[str, np.ndarray]]
    method: SparsityMethod | None
    settings: dict[str, Any]

    @property
    def groups(self) -> int:
        """How many groups its features are in, or would be in."""
        return int(self.settings.get("groups", 1))

    @property
    def lambda_(self) -> float:
        """0 where it trained without a module."""
        return float(self.settings.get("lambda", 0.0)) if self.method is not None else 0.0


def open_run(artifacts: Path, image_set: ImageSet, rows: dict[str, np.ndarray], key: str) -> Run:
    """The run whose encoder/ and embeddings/ lie in `artifacts`, at the images `rows` of each split.

    key: what a mistake is blamed on, such as `interpret.compare`; "" for this run itself. Raises InputError
    where something is missing or broken, or the embeddings are of another encoder or of other images.
    """
    prefix = f"{key}: " if key else ""
    embeddings = artifacts / "embeddings"
    try:
        meta = read_json(embeddings / "meta.json")
        config = read_json(artifacts / "encoder/config.json")
        method = load_method(artifacts / "encoder")
        own = fingerprint(artifacts / "encoder")
    except InputError as error:
        raise InputError(f"{prefix}{error}") from None
    if meta["encoder"] != own:
        raise InputError(f"{prefix}{embeddings}: made by another encoder than {artifacts / 'encoder'}")
    if meta["sets"].get(image_set.name) != image_set.fingerprint:
        raise InputError(f"{prefix}{embeddings}: not made of the images of {image_set.folder}")
    folder = artifacts.resolve()
    return Run(
        name=folder.parent.name if folder.name == "artifacts" else folder.name,
        folder=artifacts,
        views={
            split: _read(
                embeddings / image_set.name / f"{split}.npz", rows[split], image_set.counts[split], prefix
            )
            for split in SPLITS
        },
        method=method,
        settings=config.get("sparsity", {}),
    )


def _read(path: Path, rows: np.ndarray, images: int, prefix: str) -> dict[str, np.ndarray]:
    try:
        with np.load(path) as arrays:
            found = {name: arrays[name] for name in VIEWS if name in arrays}
    except (OSError, ValueError, KeyError, BadZipFile) as error:
        raise InputError(f"{prefix}{path}: not readable embeddings ({error})") from None
    if "encoder" not in found or len(found["encoder"]) != images:
        raise InputError(f"{prefix}{path}: does not hold features of {images} images")
    return {name: values[rows] for name, values in found.items()}


def choose_rows(images: int, most: int, seed: int) -> np.ndarray:
    """At most `most` of the images at random, in their order."""
    if images <= most:
        return np.arange(images)
    return np.sort(np.random.default_rng(seed).permutation(images)[:most])
