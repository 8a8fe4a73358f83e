"""A folder of images.

    <root>/{train,test}/...     a split that is kept; val/ or valid/ stands in where there is no test/
    <root>/...                  split here: stratified by class, seeded

Inside, a folder that holds images is a class, named by its path: `cat`, or `animal/cat`. Images that lie in
no such folder, or all in one, have no label. Hidden files, files with other endings than those of
image_file.py and images beside train/ and test/ are left out and counted.

Links are followed, to files and to folders, also to those outside the folder: sets are made of links too.
"""

import os
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

import numpy as np

from pipeline.data.labels import Label
from pipeline.files import InputError
from pipeline.params import DataParams
from pipeline.prepare.image_file import (
    DAMAGE,
    ENDINGS,
    describe_damage,
    names_in_short,
    printable,
    read_square,
)
from pipeline.prepare.source import Chunk, Request, Source, choose_test
from pipeline.prepare.workers import chunks_of

FILES_PER_TASK = 256
TEST_FOLDERS = ("test", "val", "valid")  # the first that is there
SPLIT_NAMES = ("train", "training", "test", "testing", *TEST_FOLDERS[1:], "validation")
HIDDEN, OTHER_ENDINGS, BESIDE = "hidden", "with_other_endings", "beside_train_and_test"  # why left out

Files = list[tuple[str, int]]
"""Path relative to the root, and class number; in order of path."""


class Tree(NamedTuple):
    """images: folder, relative to where the walk began ("" is the start itself), -> names of its images.
    empty: folders with neither images nor folders. left_out: reason -> number of other files."""

    images: dict[str, list[str]]
    empty: list[str]
    left_out: Counter[str]


class Part(NamedTuple):
    """Images of one part of the root. classes: in alphabetical order; empty where images have no label.
    left_out: as in Tree."""

    classes: list[str]
    files: Files
    left_out: Counter[str]


class Found(NamedTuple):
    """Images of a folder. classes: as in Part. files: of each split, their numbers as in `classes`.
    left_out: as in Tree. split_here: whether the folder has no split of its own."""

    classes: list[str]
    files: dict[str, Files]
    left_out: Counter[str]
    split_here: bool


def source(request: Request) -> Source:
    """The images of a folder, with the label `class` where there are at least two.

    Raises InputError as `find` does.
    """
    found = find(request)
    _warn_of_classes(request.folder, found.classes, found.split_here)
    labels = {"class": Label("categorical", tuple(map(printable, found.classes)))}
    return make_source(request, found, labels if len(found.classes) > 1 else {}, decode)


def find(request: Request) -> Found:
    """The files of both splits of a folder, and their classes.

    Raises InputError, naming request.key and the path: no such folder; no images; a class without images;
    images beside classes; a class of test/ that train/ lacks; train/ without test/ or the other way round; a
    class of one image where the split is made here.
    """
    root, data, key = request.folder, request.data, request.key
    top = _folders(root, key)
    test_folder = next((name for name in TEST_FOLDERS if name in top), None)
    if "train" in top and test_folder:
        train, test = (_read_part(root, part, data, key) for part in ("train", test_folder))
        files = {"train": train.files, "test": _same_classes(root, train, test, key)}
        left_out = train.left_out + test.left_out + _beside(root, ("train", test_folder))
        return Found(train.classes, files, left_out, split_here=False)
    if "train" in top or "test" in top:
        only = "train" if "train" in top else "test"
        raise InputError(f"{key}: {root} has {only}/ and needs both train/ and test/ (or val/), or neither")
    classes, all_files, left_out = _read_part(root, "", data, key)
    train_files, test_files = _split(root, classes, all_files, data, key)
    return Found(classes, {"train": train_files, "test": test_files}, left_out, split_here=True)


def make_source(
    request: Request, found: Found, labels: dict[str, Label], make: Callable[..., Chunk]
) -> Source:
    """The source of files that were found. make: `decode`, or what takes the same and gives other labels."""
    root, data = request.folder, request.data

    def tasks(split: str) -> Iterator[tuple[Any, ...]]:
        for files in chunks_of(found.files[split], FILES_PER_TASK):
            yield root, files, data.image_size, data.max_pixels

    counts = {split: len(files) for split, files in found.files.items()}
    return Source(labels, counts, make, tasks, left_out=dict(+found.left_out), every_class=True)


def decode(root: Path, files: Files, image_size: int, max_pixels: int) -> Chunk:
    """Read files as squares of `image_size` pixels, in order; those that cannot be read are named."""
    images, classes, paths, broken = [], [], [], []
    for path, class_number in files:
        try:
            images.append(read_square(os.path.join(root, path), image_size, max_pixels))
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
    images, empty, left_out = {}, [], Counter[str]()
    waiting: list[tuple[str, frozenset[tuple[int, int]]]] = [("", frozenset())]  # folder; those that hold it
    while waiting:
        inside, above = waiting.pop()
        current = os.path.join(root, inside) if inside else str(root)
        try:
            status = os.stat(current)
            with os.scandir(current) as entries:
                shown = [entry for entry in entries if not _is_hidden(entry, left_out)]
        except OSError as error:
            raise InputError(f"{key}: {printable(current)}: {error.strerror}") from None
        this = status.st_dev, status.st_ino
        if this in above:
            raise InputError(f"{key}: {printable(current)} links to a folder that holds it")
        folders = [entry.name for entry in shown if _is_folder(entry)]
        files = {entry.name for entry in shown} - set(folders)
        found = sorted(name for name in files if name.lower().endswith(ENDINGS))
        left_out[OTHER_ENDINGS] += len(files) - len(found)
        if found:
            images[inside] = found
        elif not folders:
            empty.append(current)
        prefix = f"{inside}/" if inside else ""
        waiting.extend((prefix + name, above | {this}) for name in folders)
    return Tree(dict(sorted(images.items())), sorted(empty), left_out)


def _is_hidden(entry: "os.DirEntry[str]", left_out: Counter[str]) -> bool:
    hidden = entry.name.startswith(".")
    left_out[HIDDEN] += hidden
    return hidden


def _is_folder(entry: "os.DirEntry[str]") -> bool:
    """False too for a link that leads nowhere or to itself: reading it as an image says so."""
    return os.path.isdir(entry.path) if entry.is_symlink() else entry.is_dir()


def _beside(root: Path, parts: tuple[str, ...]) -> Counter[str]:
    """The images that lie below the root and in none of its parts."""
    number = 0
    for current, folders, files in os.walk(root):
        if Path(current) == root:
            folders[:] = [name for name in folders if name not in parts and not name.startswith(".")]
        number += sum(name.lower().endswith(ENDINGS) for name in files if not name.startswith("."))
    return Counter({BESIDE: number})


def _warn_of_classes(root: Path, classes: list[str], split_here: bool) -> None:
    """Name what a user may not expect of the folders that are classes."""
    if len(classes) == 1:
        _warn(f"{root}: all images are of one class, so they have no label")
    known = set(classes)
    nested = [name for name in classes if any(str(above) in known for above in PurePosixPath(name).parents)]
    if nested:
        _warn(f"{root}: a folder inside a class is a class of its own: {names_in_short(nested)}")
    if not split_here:  # a class may well be called train
        return
    splits = sorted({part for name in classes for part in name.split("/") if part.lower() in SPLIT_NAMES})
    if splits:
        _warn(f"{root}: taken for classes, no splits: {names_in_short(splits)}; a split is train/ and test/")


def _warn(line: str) -> None:
    print(line, file=sys.stderr)


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
    if not tree.images:
        raise InputError(f"{key}: {folder} has no {', '.join(ENDINGS)} files")
    classes = [name for name in tree.images if name] if data.class_folders else []
    if classes and "" in tree.images:
        image, name = printable(tree.images[""][0]), printable(classes[0])
        raise InputError(
            f"{key}: {folder} has images beside its classes ({image} beside {name}/); "
            "move them, or set data.class_folders=false, which reads all without labels"
        )
    if classes and tree.empty:
        raise InputError(f"{key}: class {printable(tree.empty[0])} has no {', '.join(ENDINGS)} files")
    files = [
        (f"{prefix}{name}/{image}" if name else f"{prefix}{image}", number if classes else 0)
        for number, (name, images) in enumerate(tree.images.items())
        for image in images
    ]
    return Part(classes, files, tree.left_out)


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
            f"{key}: {root}: the test folder has classes that train/ lacks: {names_in_short(unknown)}"
        )
    number = {name: index for index, name in enumerate(train.classes)}
    return [(path, number[test.classes[index]] if test.classes else 0) for path, index in test.files]


def _split(root: Path, classes: list[str], files: Files, data: DataParams, key: str) -> tuple[Files, Files]:
    """Train and test files of a folder that has no split: of each class data.test_fraction, at least one."""
    numbers = np.array([number for _, number in files])
    for number, size in enumerate(np.bincount(numbers)):
        if size < 2:
            what = f"class {printable(str(root / classes[number]))}" if classes else str(root)
            raise InputError(
                f"{key}: {what} has one image, too few to split; data.class_folders=false splits all as one"
            )
    in_test = choose_test(numbers, data)
    train = [file for file, test in zip(files, in_test, strict=True) if not test]
    return train, [file for file, test in zip(files, in_test, strict=True) if test]
