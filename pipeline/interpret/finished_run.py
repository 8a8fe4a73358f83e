"""A finished run read back: its views of a set's images, its sparse module, its settings."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from pipeline import layout
from pipeline.data.store import SPLITS, ImageSet
from pipeline.files import InputError, read_json
from pipeline.measure.embedding_store import ViewFile, check_images, image_views, read_meta, twin_folder
from pipeline.sparsity.exported import load_method
from pipeline.sparsity.method import SparsityMethod
from pipeline.views import ENCODER, GROUPS, LATENT, PIXELS_PCA, RANDOM_INIT, SAE, TWIN

VIEWS = (ENCODER, TWIN, LATENT, GROUPS, SAE, RANDOM_INIT, PIXELS_PCA)


@dataclass(frozen=True)
class Run:
    """name: of its folder. encoder: the folder of its encoder. twin: that of its dense twin, None where it
    has none. views: by split and view, of the images that were asked for. method: its module, None where it
    trained without. settings: its sparsity section, {} where it is not known."""

    name: str
    encoder: Path
    twin: Path | None
    views: dict[str, dict[str, np.ndarray]]
    method: SparsityMethod | None
    settings: dict[str, Any]

    @property
    def groups(self) -> int:
        """How many groups its features are in, or would be in."""
        return int(self.settings.get("groups", 1))

    @property
    def lambda_(self) -> float:
        """sparsity.lambda of the run; 0 if it trained without a module."""
        return float(self.settings.get("lambda", 0.0)) if self.method is not None else 0.0


def open_run(artifacts: Path, image_set: ImageSet, rows: dict[str, np.ndarray], key: str) -> Run:
    """Read the run whose encoder/ and embeddings/ lie in `artifacts`: the views of the images `rows` of each
    split.

    key: the param that names the run, such as `interpret.compare`, for error messages; "" for this run
    itself. Raises InputError where something is missing or broken, or the embeddings are of another
    encoder or of other images.
    """
    embeddings, encoder = artifacts / layout.EMBEDDINGS.name, artifacts / layout.ENCODER.name
    folder = artifacts.resolve()
    with _errors_begin_with(key):
        meta = read_meta(embeddings, encoder)
        check_images(embeddings, meta, image_set)
        return Run(
            name=folder.parent.name if folder.name == layout.ENCODER.parent.name else folder.name,
            encoder=encoder,
            twin=twin_folder(encoder),
            views={
                split: _read_rows(
                    image_views(embeddings, image_set.name, split), rows[split], image_set.counts[split]
                )
                for split in SPLITS
            },
            method=load_method(encoder),
            settings=read_json(encoder / layout.CONFIG).get("sparsity", {}),
        )


def choose_rows(images: int, most: int, seed: int) -> np.ndarray:
    """At most `most` of the images at random, in their order."""
    if images <= most:
        return np.arange(images)
    return np.sort(np.random.default_rng(seed).permutation(images)[:most])


def _read_rows(file: ViewFile, rows: np.ndarray, images: int) -> dict[str, np.ndarray]:
    stored = set(file.views())
    views = {name: file.read(name) for name in VIEWS if name in stored}
    if ENCODER not in views or len(views[ENCODER]) != images:
        raise InputError(f"{file.path}: does not hold features of {images} images")
    return {name: values[rows] for name, values in views.items()}


@contextmanager
def _errors_begin_with(key: str) -> Iterator[None]:
    try:
        yield
    except InputError as error:
        raise InputError(f"{key}: {error}" if key else str(error)) from None
