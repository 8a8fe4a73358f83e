"""What a user should know of a set that was made: what is left out, absent classes, images that repeat.

Two images are the same where their stored pixels are: a copy in another format or size may differ by a level.
"""

from collections.abc import Iterable
from hashlib import blake2b
from pathlib import Path

import numpy as np
import pandas as pd

from pipeline.files import InputError
from pipeline.prepare.image_file import names_in_short
from pipeline.prepare.source import Chunk, Request, Source


class Seen:
    """What was seen of one split. digests: hashes of 64 bits of its images. classes: label -> its numbers."""

    def __init__(self, labels: Iterable[str]) -> None:
        self._parts = [np.empty(0, np.uint64)]
        self.classes: dict[str, set[float]] = {label: set() for label in labels}

    def add(self, chunk: Chunk) -> None:
        """Take in the next images."""
        parts = [blake2b(image.data, digest_size=8).digest() for image in np.ascontiguousarray(chunk.images)]
        self._parts.append(np.frombuffer(b"".join(parts), np.uint64))
        for label, numbers in self.classes.items():
            numbers.update(np.unique(chunk.labels[label]).tolist())

    @property
    def digests(self) -> np.ndarray:
        """(images,) uint64."""
        return np.concatenate(self._parts)


def left_out(reasons: dict[str, int], num_broken: int) -> list[str]:
    """What is in no split, by reason; no line where there is nothing."""
    reasons = reasons | ({"broken": num_broken} if num_broken else {})
    named = ", ".join(f"{number:,} {reason.replace('_', ' ')}" for reason, number in reasons.items())
    return [f"left out: {named}"] if named else []


def absent_classes(request: Request, source: Source, seen: dict[str, Seen]) -> list[str]:
    """A line for each label and split that lacks some class, of sets that are made of the user's files.

    Raises InputError for one without a training image where the source wants one of every class.
    """
    lines = []
    for label, spec in source.labels.items():
        if spec.kind != "categorical" or request.path is None:
            continue
        for split, of_split in seen.items():
            absent = [name for at, name in enumerate(spec.classes) if at not in of_split.classes[label]]
            named = names_in_short(absent)
            if absent and split == "train" and source.every_class:
                raise InputError(f"{request.key}: {request.path}: no training image can be read of {named}")
            if absent:
                lines.append(
                    f"{len(absent):,} of {len(spec.classes):,} classes of the label {label} have no {split} "
                    f"image: {named}"
                )
    return lines


def count_duplicates(train: np.ndarray, test: np.ndarray) -> dict[str, int]:
    """pipeline.contracts.prepare.Duplicates, from the digests of both splits."""
    return {
        "train": len(train) - len(np.unique(train)),
        "test": len(test) - len(np.unique(test)),
        "test_in_train": int(np.isin(test, train).sum()),
    }


def duplicates(folder: Path, train: np.ndarray, test: np.ndarray) -> list[str]:
    """A line with an example for each kind of duplicates that the set in `folder` has, from its digests."""
    counts, lines = count_duplicates(train, test), []
    if counts["test_in_train"]:
        in_test = int(np.flatnonzero(np.isin(test, train))[0])
        in_train = int(np.flatnonzero(train == test[in_test])[0])
        lines.append(
            f"{counts['test_in_train']:,} of {len(test):,} test images are training images too, so scores on "
            f"them say nothing of new images: {_name(folder, 'test', in_test)} is "
            f"{_name(folder, 'train', in_train)}"
        )
    for split, digests in (("train", train), ("test", test)):
        if counts[split]:
            values, first = np.unique(digests, return_index=True)
            repeated = int(np.setdiff1d(np.arange(len(digests)), first)[0])
            earlier = int(first[np.searchsorted(values, digests[repeated])])
            lines.append(
                f"{counts[split]:,} of {len(digests):,} {split} images repeat an earlier one: "
                f"{_name(folder, split, repeated)} is {_name(folder, split, earlier)}"
            )
    return lines


def _name(folder: Path, split: str, row: int) -> str:
    labels = pd.read_parquet(folder / split / "labels.parquet")
    return str(labels["path"].iloc[row]) if "path" in labels else f"{split} image {row}"
