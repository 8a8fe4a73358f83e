"""A folder of images.

    <root>/{train,test}/...     a split that is kept; val/ or valid/ stands in where there is no test/
    <root>/...                  split here: stratified by class, seeded

Inside, a folder that holds images is a class, named by its path: `cat`, or `animal/cat`. Images that lie in
no such folder, or all in one, have no label. Files with other endings than those of image_file.py are ignored
and counted, hidden ones just ignored.
"""

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from pipeline.data.labels import Label
from pipeline.files import InputError
from pipeline.params import DataParams
from pipeline.prepare.image_file import DAMAGE, ENDINGS, describe_damage, printable, read_square
from pipeline.prepare.source import Chunk, Request, Source, choose_test
from pipeline.prepare.workers import chunks_of

FILES_PER_TASK = 256
TEST_FOLDERS = ("test", "val", "valid")  # the first that is there

Files = list[tuple[str, int]]
"""Path relative to the root, and class number; in order of path."""


class Tree(NamedTuple):
    """images: folder, relative to where the walk began ("" is the start itself), -> names of its images.
    empty: folders with neither images nor folders. ignored: number of other files."""

    images: dict[str, list[str]]
    empty: list[str]
    ignored: int


class Part(NamedTuple):
    """Images of one part of the root. classes: in alphabetical order; empty where images have no label."""

    classes: list[str]
    files: Files


def source(request: Request) -> Source:
    """The images of a folder, with the label `class` where there are at least two.

    Raises InputError, naming request.key and the path: no such folder; no images; a class without images;
    images beside classes; a class of test/ that train/ lacks; train/ without test/ or the other way round; a
    class of one image where the split is made here.
    """
    root, data, key = request.folder, request.data, request.key
    top = _folders(root, key)
    test_folder = next((name for name in TEST_FOLDERS if name in top), None)
    if "train" in top and test_folder:
        train = _read_part(root, "train", data, key)
        test = _same_classes(root, train, _read_part(root, test_folder, data, key), key)
        classes, files_of = train.classes, {"train": train.files, "test": test}
    elif "train" in top or "test" in top:
        only = "train" if "train" in top else "test"
        raise InputError(f"{key}: {root} has {only}/ and needs both train/ and test/ (or val/), or neither")
    else:
        classes, files = _read_part(root, "", data, key)
        train_files, test_files = _split(root, classes, files, data, key)
        files_of = {"train": train_files, "test": test_files}
    if len(classes) == 1:
        print(f"{root}: all images are of one class, so they have no label", file=sys.stderr)
    labels = {"class": Label("categorical", tuple(classes))} if len(classes) > 1 else {}

    def tasks(split: str) -> Iterator[tuple[Any, ...]]:
        for files in chunks_of(files_of[split], FILES_PER_TASK):
            yield root, files, data.image_size

    counts = {split: len(files) for split, files in files_of.items()}
    return Source(labels, counts, decode, tasks)


def decode(root: Path, files: Files, image_size: int) -> Chunk:
    """Read files as squares of `image_size` pixels, in order; those that cannot be read are named."""
    images, classes, paths, broken = [], [], [], []
    for path, class_number in files:
        try:
            images.append(read_square(os.path.join(root, path), image_size))
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


def scan(root: Path, key: str) -> Tree:
    """All images below `root`, folder by folder, in order of path. Raises InputError as `source` does."""

    def refuse(error: OSError) -> None:
        raise InputError(f"{key}: {error.filename}: {error.strerror}")

    images, empty, ignored = {}, [], 0
    for current, folders, files in os.walk(root, onerror=refuse, followlinks=True):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in folders:
            path = os.path.join(current, name)
            real = os.path.join(os.path.realpath(path), "")
            if os.path.islink(path) and os.path.join(os.path.realpath(current), "").startswith(real):
                raise InputError(f"{key}: {path} links to a folder that holds it")
        inside = os.path.relpath(current, root).replace(os.sep, "/")
        shown = [name for name in files if not name.startswith(".")]
        found = sorted(name for name in shown if name.lower().endswith(ENDINGS))
        ignored += len(shown) - len(found)
        if found:
            images["" if inside == "." else inside] = found
        elif not folders:
            empty.append(current)
    return Tree(dict(sorted(images.items())), empty, ignored)


def _folders(root: Path, key: str) -> set[str]:
    try:
        with os.scandir(root) as entries:
            return {entry.name for entry in entries if entry.is_dir()}
    except OSError as error:
        raise InputError(f"{key}: {root}: {error.strerror}") from None


def _read_part(root: Path, part: str, data: DataParams, key: str) -> Part:
    """The images below root/part, with their classes where data.class_folders says so."""
    folder, prefix = root / part, f"{part}/" if part else ""
    tree = scan(folder, key)
    if tree.ignored:
        endings = ", ".join(ENDINGS)
        print(f"{folder}: {tree.ignored} files that are not {endings} were ignored", file=sys.stderr)
    if not tree.images:
        raise InputError(f"{key}: {folder} has no {', '.join(ENDINGS)} files")
    classes = [name for name in tree.images if name] if data.class_folders else []
    if classes and "" in tree.images:
        raise InputError(
            f"{key}: {folder} has images beside its classes ({tree.images[''][0]} beside {classes[0]}/); "
            "move them, or set data.class_folders=false, which reads all without labels"
        )
    if classes and tree.empty:
        raise InputError(f"{key}: class {tree.empty[0]} has no {', '.join(ENDINGS)} files")
    files = [
        (f"{prefix}{name}/{image}" if name else f"{prefix}{image}", number if classes else 0)
        for number, (name, images) in enumerate(tree.images.items())
        for image in images
    ]
    return Part(classes, files)


def _same_classes(root: Path, train: Part, test: Part, key: str) -> Files:
    """The files of the test part, numbered as the classes of the training part."""
    if bool(train.classes) != bool(test.classes):
        with_classes = "train/" if train.classes else "the test folder"
        raise InputError(
            f"{key}: {root}: {with_classes} alone has folders of classes; "
            "data.class_folders=false reads all without labels"
        )
    unknown = sorted(set(test.classes) - set(train.classes))
    if unknown:
        raise InputError(
            f"{key}: {root}: the test folder has classes that train/ lacks: {', '.join(unknown)}"
        )
    number = {name: index for index, name in enumerate(train.classes)}
    return [(path, number[test.classes[index]] if test.classes else 0) for path, index in test.files]


def _split(root: Path, classes: list[str], files: Files, data: DataParams, key: str) -> tuple[Files, Files]:
    """Train and test files of a folder that has no split: of each class data.test_fraction, at least one."""
    numbers = np.array([number for _, number in files])
    for number, size in enumerate(np.bincount(numbers)):
        if size < 2:
            what = f"class {root / classes[number]}" if classes else str(root)
            raise InputError(
                f"{key}: {what} has one image, too few to split; data.class_folders=false splits all as one"
            )
    in_test = choose_test(numbers, data)
    train = [file for file, test in zip(files, in_test, strict=True) if not test]
    return train, [file for file, test in zip(files, in_test, strict=True) if test]
