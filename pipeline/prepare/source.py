"""From a source of images to a prepared set on disk, chunk by chunk and in several processes.

A source says what its labels are and how to make each chunk: scenes/, cifar.py, folder.py, clevr.py.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from PIL import Image, ImageOps

from pipeline.data.labels import Label
from pipeline.data.store import SPLITS, SplitWriter, write_meta
from pipeline.files import InputError
from pipeline.prepare.workers import Progress, map_in_order

NUM_NAMED = 3  # broken files that an error names


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
    key: the param to blame where nothing can be read.
    """

    labels: dict[str, Label]
    counts: dict[str, int]
    make: Callable[..., Chunk]
    tasks: Callable[[str], Iterable[tuple[Any, ...]]]
    parallel: bool = True
    key: str = "data.root"


def write_set(
    folder: Path,
    name: str,
    image_size: int,
    source: Source,
    workers: int,
    max_broken: int = 0,
    log_seconds: float = 10.0,
) -> dict[str, Any]:
    """Write a set as store.py describes it and return its summary, an entry of prepare.json.

    The result does not depend on `workers`. Raises InputError for more than `max_broken` broken files, each
    named on stderr, and for a split of which nothing could be read; OSError where the disk is full.
    """
    writers = {split: SplitWriter(folder / split, source.counts[split], image_size) for split in SPLITS}
    broken: list[str] = []
    for split, writer in writers.items():
        progress = Progress(f"{name} {split}", source.counts[split], log_seconds)
        made = map_in_order(source.make, source.tasks(split), workers if source.parallel else 1)
        with writer, progress, made as chunks:
            for chunk in chunks:
                for line in chunk.broken:
                    progress.say(f"broken: {line}")
                broken.extend(chunk.broken)
                progress.update(len(chunk.images) + len(chunk.broken))
                _check_broken(broken, max_broken, progress.done)
                if len(chunk.images):
                    writer.append(chunk.images, _columns(chunk, source.labels), chunk.patch_labels)
        if not writer.written:
            raise InputError(f"{source.key}: none of the {len(broken)} files of {name} {split} can be read")
    meta = write_meta(folder, name, image_size, source.labels, writers)
    return {
        **meta["counts"],
        "hash": meta["hash"],
        "broken": len(broken),
        "image_size": image_size,
        "num_labels": len(source.labels),
    }


def chunk_size(image_size: int) -> int:
    """Images per chunk: 1000, or fewer where they are larger than 64 pixels: 12 MB and no more."""
    return max(1, min(1000, 2**22 // image_size**2))


def fit_square(image: Image.Image, size: int) -> np.ndarray:
    """An image as (size, size, 3) uint8: shorter side scaled to it (antialiased bicubic), centre cropped."""
    if "transparency" in image.info:
        image = image.convert("RGBA")  # Pillow warns about each palette with transparency otherwise
    if image.mode != "RGB":  # else it would be copied
        image = image.convert("RGB")
    if image.size != (size, size):
        image = ImageOps.fit(image, (size, size), Image.Resampling.BICUBIC)
    return np.asarray(image)


def _columns(chunk: Chunk, labels: dict[str, Label]) -> pd.DataFrame:
    columns: dict[str, Any] = {}
    for name, label in labels.items():
        fits = len(label.classes) <= np.iinfo(np.int16).max
        dtype = np.float32 if label.kind == "real" else np.int16 if fits else np.int32
        columns[name] = chunk.labels[name].astype(dtype)
    if chunk.paths is not None:
        columns["path"] = chunk.paths
    return pd.DataFrame(columns)


def _check_broken(broken: list[str], allowed: int, seen: int) -> None:
    if len(broken) > allowed:
        named = "; ".join(broken[:NUM_NAMED]) + ("; ..." if len(broken) > NUM_NAMED else "")
        raise InputError(
            f"data.max_broken: {len(broken)} of the first {seen} files cannot be read, "
            f"{allowed} may be: {named}"
        )
