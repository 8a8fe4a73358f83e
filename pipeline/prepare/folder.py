"""A folder of images, one sub-folder per class.

    <root>/{train,test}/<class>/*     a split that is kept
    <root>/<class>/*                  split here: stratified by class, seeded

Files end in .jpg, .jpeg, .png or .webp; others are ignored and counted, hidden ones just ignored. Images are
read as stored: an EXIF rotation is not applied.
"""

import os
import struct
import sys
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, UnidentifiedImageError

from pipeline.data.labels import Label
from pipeline.data.store import SPLITS
from pipeline.files import InputError
from pipeline.params import DataParams
from pipeline.prepare.source import Chunk, Request, Source, fit_square
from pipeline.prepare.workers import chunks_of

ENDINGS = (".jpg", ".jpeg", ".png", ".webp")
FILES_PER_TASK = 256
DAMAGE = (OSError, SyntaxError, ValueError, EOFError, struct.error, zlib.error, Image.DecompressionBombError)
"""What Pillow raises on a file that is no image, or half of one."""

Files = list[tuple[str, int]]
"""Path relative to the root, and class number; in order of path."""


def source(request: Request) -> Source:
    """The images of a folder with the label `class`, whose classes are in alphabetical order.

    Raises InputError, naming request.key and the path: no such folder; no classes; a class without images; a
    class of test/ that train/ lacks; train/ without test/ or the other way round; a class of one image where
    the split is made here.
    """
    root, data, key = request.folder, request.data, request.key
    top, ignored = _scan(root, key)
    parts = [part for part in SPLITS if part in top]
    if len(parts) == 1:
        raise InputError(f"{key}: {root} has {parts[0]}/ and needs both train/ and test/, or neither")
    if parts:
        classes, train, in_train = _read_classes(root / "train", "train/", key)
        test_classes, test, in_test = _read_classes(root / "test", "test/", key)
        unknown = sorted(set(test_classes) - set(classes))
        if unknown:
            raise InputError(f"{key}: {root / 'test'} has classes that train/ lacks: {', '.join(unknown)}")
        number = {name: index for index, name in enumerate(classes)}
        test = [(path, number[test_classes[index]]) for path, index in test]
        ignored += in_train + in_test
    else:
        classes, files, ignored = _read_classes(root, "", key)
        train, test = _split(root, classes, files, data, key)
    if ignored:
        print(f"{root}: {ignored} files that are not {', '.join(ENDINGS)} were ignored", file=sys.stderr)
    files_of = {"train": train, "test": test}

    def tasks(split: str) -> Iterator[tuple[Any, ...]]:
        for files in chunks_of(files_of[split], FILES_PER_TASK):
            yield root, files, data.image_size

    counts = {split: len(files) for split, files in files_of.items()}
    return Source({"class": Label("categorical", tuple(classes))}, counts, decode, tasks)


def decode(root: Path, files: Files, image_size: int) -> Chunk:
    """Read files as squares of `image_size` pixels, in order; those that cannot be read are named."""
    images, classes, paths, broken = [], [], [], []
    for path, class_number in files:
        try:
            with Image.open(os.path.join(root, path)) as image:
                if image.mode.startswith(("I", "F")):
                    raise ValueError(f"mode {image.mode} is not 8 bits per channel")
                if min(image.size) > 2 * image_size:
                    # Lets the JPEG decoder skip detail, down to twice the size that is kept.
                    image.draft("RGB", (2 * image_size, 2 * image_size))
                images.append(fit_square(image, image_size))
        except DAMAGE as error:
            broken.append(describe_damage(path, error))
        else:
            classes.append(class_number)
            paths.append(printable(path))
    return Chunk(
        images=np.array(images, np.uint8).reshape(-1, image_size, image_size, 3),
        labels={"class": np.array(classes, np.int64)},
        paths=paths,
        broken=tuple(broken),
    )


def printable(path: str) -> str:
    """A path as text: bytes that are no UTF-8 as escapes."""
    return os.fsencode(path).decode("utf-8", "backslashreplace")


def describe_damage(path: str, error: Exception) -> str:
    """`path` and in a few words why it could not be read."""
    if isinstance(error, UnidentifiedImageError):
        reason = "not an image"
    elif isinstance(error, OSError) and error.strerror:
        reason = error.strerror
    else:
        reason = " ".join(str(error).split()) or type(error).__name__
    return f"{printable(path)} ({reason})"


def _scan(folder: Path, key: str) -> tuple[list[str], int]:
    """Names of the sub-folders, sorted, and the number of other things that are not hidden."""
    try:
        with os.scandir(folder) as entries:
            is_folder = {entry.name: entry.is_dir() for entry in entries if not entry.name.startswith(".")}
    except OSError as error:
        raise InputError(f"{key}: {folder}: {error.strerror}") from None
    folders = sorted(name for name, yes in is_folder.items() if yes)
    return folders, len(is_folder) - len(folders)


def _read_classes(folder: Path, prefix: str, key: str) -> tuple[list[str], Files, int]:
    """Class names, files and how many files were ignored. `prefix` goes before each path."""
    classes, ignored = _scan(folder, key)
    if not classes:
        raise InputError(f"{key}: {folder} has no folder per class")
    files: Files = []
    for number, name in enumerate(classes):
        with os.scandir(folder / name) as entries:
            names = [entry.name for entry in entries if not entry.name.startswith(".")]
        images = sorted(name for name in names if name.lower().endswith(ENDINGS))
        if not images:
            raise InputError(f"{key}: class {folder / name} has no {', '.join(ENDINGS)} files")
        ignored += len(names) - len(images)
        files.extend((f"{prefix}{name}/{image}", number) for image in images)
    return classes, files, ignored


def _split(root: Path, classes: list[str], files: Files, data: DataParams, key: str) -> tuple[Files, Files]:
    """Train and test files of a folder that has no split: of each class data.test_fraction, at least one."""
    in_test = np.zeros(len(files), bool)
    sizes = np.bincount([number for _, number in files])
    for number, (name, size, end) in enumerate(zip(classes, sizes, np.cumsum(sizes), strict=True)):
        if size < 2:
            raise InputError(f"{key}: class {root / name} has one image, too few to split")
        num_test = min(max(round(size * data.test_fraction), 1), size - 1)
        rows = np.random.default_rng([data.seed, number]).permutation(size)[:num_test]
        in_test[end - size + rows] = True
    train = [file for file, test in zip(files, in_test, strict=True) if not test]
    return train, [file for file, test in zip(files, in_test, strict=True) if test]
