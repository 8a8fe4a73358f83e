"""What a source of images is: its labels, and how to make each chunk of a set.

The function `source` of each set's module (pipeline.params.registry) turns a Request into a Source; write.py
writes what it makes.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageOps

from pipeline.data.labels import Label
from pipeline.params import DataParams


@dataclass(frozen=True)
class Request:
    """A set that a run asks for.

    name: of the set. path: where the user's files are; None where none was given.
    downloads: folder of downloaded archives. key: the param to blame for a mistake in `path`.
    """

    name: str
    path: Path | None
    data: DataParams
    downloads: Path
    key: str

    @property
    def folder(self) -> Path:
        """`path` of a set that has no other origin than a folder."""
        assert self.path is not None, "params demand it"
        return self.path


@dataclass(frozen=True)
class Chunk:
    """Some images of a split, in order.

    images: (n, size, size, 3) uint8. labels: name to (n,). patch_labels: name to (n, grid, grid) uint8.
    paths: of each image, where it came from a file. broken: a line for each file that could not be read.
    """

    images: np.ndarray
    labels: dict[str, np.ndarray]
    patch_labels: dict[str, np.ndarray] = field(default_factory=dict)
    paths: list[str] | None = None
    broken: tuple[str, ...] = ()


@dataclass(frozen=True)
class Source:
    """Where a set comes from.

    counts: images of each split, before broken files are left out.
    make: a module's function that turns one task into a chunk, in any process.
    tasks: split to the argument tuples of `make`, in order.
    parallel: whether making a chunk is more work than sending it to another process.
    left_out: reason to the number of things that lie where the set was looked for and are in no split.
    every_class: whether a class without a readable training image is an error; else it is named.
    """

    labels: dict[str, Label]
    counts: dict[str, int]
    make: Callable[..., Chunk]
    tasks: Callable[[str], Iterable[tuple[Any, ...]]]
    parallel: bool = True
    left_out: dict[str, int] = field(default_factory=dict)
    every_class: bool = False


MakeSource = Callable[[Request], Source]


def chunk_size(image_size: int) -> int:
    """Images per chunk: 1000, or fewer where they are larger than 64 pixels: 12 MB and no more."""
    return max(1, min(1000, 2**22 // image_size**2))


def choose_test(classes: np.ndarray, data: DataParams) -> np.ndarray:
    """Which images of a set without a split are tested on: (images,) bool.

    classes: (images,) int. data.test_fraction of each class, drawn by data.seed: at least one image and not
    all; none of a class of one image.
    """
    in_test = np.zeros(len(classes), bool)
    for number in np.unique(classes):
        rows = np.flatnonzero(classes == number)
        num_test = min(max(round(len(rows) * data.test_fraction), 1), len(rows) - 1)
        order = np.random.default_rng([data.seed, abs(number)]).permutation(len(rows))
        in_test[rows[order[:num_test]]] = True
    return in_test


def fit_square(image: Image.Image, size: int) -> np.ndarray:
    """An image as (size, size, 3) uint8: shorter side scaled to it (antialiased bicubic), centre cropped."""
    if "transparency" in image.info:
        image = image.convert("RGBA")  # Pillow warns about each palette with transparency otherwise
    if image.mode != "RGB":  # else it would be copied
        image = image.convert("RGB")
    if image.size != (size, size):
        image = ImageOps.fit(image, (size, size), Image.Resampling.BICUBIC)
    return np.asarray(image)
