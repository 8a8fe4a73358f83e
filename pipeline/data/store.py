"""One store for every set: memory-mapped uint8 pixels, labels.parquet, meta.json.

    <set>/digests.json              of the other files: pipeline.digests
    <set>/meta.json                 name, image_size, label kinds and classes, mean, std, counts, hash
    <set>/{train,test}/images.npy   (n, size, size, 3) uint8
    <set>/{train,test}/labels.parquet   one row per image, in the order of the images: a column per label
                                        (int16, float32), `id` (int32, the row), `path` (of a folder's set)
    <set>/{train,test}/patch_<label>.npy   (n, size / CELL, size / CELL) uint8, where the set has them

Pixels are written and read chunk by chunk, so a set never has to fit in memory.
"""

import hashlib
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.data.labels import Label
from pipeline.digests import check, seal
from pipeline.files import InputError, read_json, write_json
from pipeline.layout import META

CELL = 4  # pixels: side of the cells that per-patch labels are stored in
SPLITS = ("train", "test")
ROW_GROUP = 1 << 16  # rows of labels.parquet that are gathered before they are written


@dataclass(frozen=True)
class Split:
    """Images and labels of one split. `images` and `patch_labels` are memory-mapped."""

    images: np.ndarray
    labels: pd.DataFrame
    patch_labels: dict[str, np.ndarray]

    def __len__(self) -> int:
        return len(self.images)


@dataclass(frozen=True)
class ImageSet:
    """A prepared set. mean, std: of each channel over the training split, in 0..1.

    fingerprint: hash of pixels and labels of both splits, the identity of the set in resume states.
    """

    folder: Path
    name: str
    image_size: int
    labels: dict[str, Label]
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    counts: dict[str, int]
    fingerprint: str

    def split(self, split: str) -> Split:
        """Map one split ("train" or "test"). Raises InputError where a file is missing or broken."""
        folder = self.folder / split
        try:
            images = np.load(folder / "images.npy", mmap_mode="r")
            labels = pd.read_parquet(folder / "labels.parquet")
            patch_labels = {
                path.stem.removeprefix("patch_"): np.load(path, mmap_mode="r")
                for path in sorted(folder.glob("patch_*.npy"))
            }
        except (OSError, ValueError) as error:
            raise InputError(
                f"{folder}: not a readable split ({error}); run `dvc repro -f -s prepare`"
            ) from None
        for name, values in {"images": images, **patch_labels}.items():
            if len(values) != len(labels):
                raise InputError(f"{folder}: {len(values)} {name} but {len(labels)} rows of labels")
        return Split(images, labels, patch_labels)


def open_set(folder: Path) -> ImageSet:
    """Open a prepared set. Raises InputError where a file of it is missing or is not what was written."""
    check(folder)
    meta = read_json(folder / META)
    try:
        labels = {name: Label.from_json(fields) for name, fields in meta["labels"].items()}
        return ImageSet(
            folder=folder,
            name=meta["name"],
            image_size=meta["image_size"],
            labels=labels,
            mean=tuple(meta["mean"]),
            std=tuple(meta["std"]),
            counts=meta["counts"],
            fingerprint=meta["hash"],
        )
    except (AttributeError, KeyError, TypeError) as error:
        raise InputError(f"{folder / 'meta.json'}: not a set's description ({error!r})") from None


class SplitWriter:
    """Write one split chunk by chunk; a context manager.

    Pixels are written with ordinary writes, so a full disk raises OSError; with a memory map it would kill
    the process (SIGBUS). Channel sums and content hashes are added up on the way; neither depends on how the
    split was cut into chunks.

    num_images: upper limit; broken files make it fewer.
    """

    def __init__(self, folder: Path, num_images: int, image_size: int) -> None:
        self.folder = folder
        self.num_images = num_images
        self.image_size = image_size
        self.written = 0
        self.channel_sum = np.zeros(3)
        self.channel_square_sum = np.zeros(3)
        self._digests: dict[str, Any] = {}
        self._arrays: dict[str, tuple[BinaryIO, np.ndarray]] = {}
        self._tables: list[pa.Table] = []
        self._parquet: pq.ParquetWriter | None = None
        self._files = ExitStack()

    def __enter__(self) -> "SplitWriter":
        self.folder.mkdir(parents=True, exist_ok=True)
        return self

    def append(
        self, images: np.ndarray, labels: pd.DataFrame, patch_labels: dict[str, np.ndarray] | None = None
    ) -> None:
        """Add a chunk: images (n, size, size, 3) uint8, n rows of labels, cells (n, grid, grid) uint8."""
        assert images.dtype == np.uint8
        assert images.shape == (len(labels), self.image_size, self.image_size, 3)
        assert self.written + len(labels) <= self.num_images
        self._append_array("images", images)
        for name, cells in (patch_labels or {}).items():
            self._append_array(f"patch_{name}", cells)
        self._append_labels(labels)
        for channel in range(3):  # a histogram of bytes: exact sums without a float copy of the chunk
            counts = np.bincount(images[..., channel].ravel(), minlength=256)
            self.channel_sum[channel] += counts @ np.arange(256)
            self.channel_square_sum[channel] += counts @ np.arange(256) ** 2
        self.written += len(labels)

    def digest(self) -> str:
        """Hash of pixels, cells and labels so far."""
        parts = (f"{name} {digest.hexdigest()}" for name, digest in sorted(self._digests.items()))
        return hashlib.sha256("\n".join(parts).encode()).hexdigest()

    def _append_array(self, name: str, values: np.ndarray) -> None:
        values = np.ascontiguousarray(values)
        if name not in self._arrays:
            handle = self._files.enter_context((self.folder / f"{name}.npy").open("wb"))
            self._arrays[name] = handle, np.empty((0, *values.shape[1:]), values.dtype)
            _write_header(*self._arrays[name], self.num_images)
        self._arrays[name][0].write(values.data)
        self._update_digest(name, values.data)

    def _append_labels(self, labels: pd.DataFrame) -> None:
        ids = np.arange(self.written, self.written + len(labels), dtype=np.int32)
        self._tables.append(pa.Table.from_pandas(labels.assign(id=ids), preserve_index=False))
        for name, column in labels.items():
            values = np.ascontiguousarray(column)
            text = values.dtype.kind not in "iuf"
            content = "".join(f"{value}\0" for value in values).encode() if text else values.data
            self._update_digest(f"label {name}", content)
        if self._parquet is None:
            handle = self._files.enter_context((self.folder / "labels.parquet").open("wb"))
            self._parquet = self._files.enter_context(pq.ParquetWriter(handle, self._tables[0].schema))
        if sum(table.num_rows for table in self._tables) >= ROW_GROUP:
            self._flush_labels()

    def _flush_labels(self) -> None:
        if self._parquet is not None and self._tables:
            self._parquet.write_table(pa.concat_tables(self._tables))
        self._tables = []

    def _update_digest(self, name: str, content: bytes | memoryview) -> None:
        self._digests.setdefault(name, hashlib.sha256()).update(content)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._files:
            if kind is None:
                self._flush_labels()
                for handle, empty in self._arrays.values():
                    handle.seek(0)
                    _write_header(handle, empty, self.written)


def _write_header(handle: BinaryIO, empty: np.ndarray, length: int) -> None:
    """Numpy pads the header so that the first axis can be corrected in place when the split is finished."""
    header = {
        "descr": np.lib.format.dtype_to_descr(empty.dtype),
        "fortran_order": False,
        "shape": (length, *empty.shape[1:]),
    }
    np.lib.format.write_array_header_1_0(handle, header)


def write_meta(
    folder: Path, name: str, image_size: int, labels: dict[str, Label], writers: dict[str, SplitWriter]
) -> dict[str, Any]:
    """Write meta.json from the finished writers of both splits, and return its content; then the digests."""
    train = writers["train"]
    pixels = train.written * image_size**2
    mean = train.channel_sum / pixels / 255
    variance = train.channel_square_sum / pixels / 255**2 - mean**2
    digest = hashlib.sha256("".join(writers[split].digest() for split in SPLITS).encode())
    meta = {
        "name": name,
        "image_size": image_size,
        "labels": {key: label.to_json() for key, label in labels.items()},
        "counts": {split: writers[split].written for split in SPLITS},
        "mean": mean.tolist(),
        "std": np.sqrt(np.maximum(variance, 1e-6)).tolist(),
        "hash": digest.hexdigest(),
    }
    write_json(folder / META, meta)
    seal(folder)
    return meta
