"""CIFAR-10 and CIFAR-100 as class folders of images: {train,test}/<class>/<file>.

Classes have the numbers of the official archive, and superclasses come from its table. Files are read as
folder.py reads them.
"""

from dataclasses import replace
from pathlib import Path

import numpy as np

from pipeline.data.labels import Label
from pipeline.files import InputError
from pipeline.prepare import folder
from pipeline.prepare.cifar_classes import CIFAR10_CLASSES, COARSE_CLASSES, FINE_CLASSES, SUPERCLASSES
from pipeline.prepare.image_file import names_in_short
from pipeline.prepare.source import Chunk, Request, Source

LABELS = {  # the first label of a set is the one that its folders name
    "cifar10": {"class": Label("categorical", CIFAR10_CLASSES)},
    "cifar100": {"fine": Label("categorical", FINE_CLASSES), "coarse": Label("categorical", COARSE_CLASSES)},
}
_SUPERCLASS = {fine: coarse for coarse, classes in SUPERCLASSES.items() for fine in classes}
COARSE_OF_FINE = np.array([COARSE_CLASSES.index(_SUPERCLASS[fine]) for fine in FINE_CLASSES])
"""(100,) int: number of the superclass of each class of CIFAR-100."""


def source(request: Request) -> Source:
    """The source of "cifar10" (label `class`) or "cifar100" (labels `fine`, 100, and `coarse`, 20).

    A space or a hyphen in the name of a folder stands for an underscore. Where data.class_folders is false
    images have no label, and any folders will do. Raises InputError as folder.find does, and, naming
    request.key and the folder, for a missing train/ or test/, a folder that is no class, and a class without
    a folder.
    """
    root, name, key = request.folder, request.name, request.key
    for split in ("train", "test"):
        if not (root / split).is_dir():
            raise InputError(
                f"{key}: {root / split}: no such folder; {name} in class folders has train/ and test/"
            )
    if not request.data.class_folders:
        return folder.source(request)
    labels = LABELS[name]
    classes = next(iter(labels.values())).classes
    found = folder.find(request)
    spelled = [inside.replace(" ", "_").replace("-", "_") for inside in found.classes]
    unknown = [inside for inside, it in zip(found.classes, spelled, strict=True) if it not in classes]
    if not spelled:
        raise InputError(f"{key}: {root / 'train'}: images lie in no class folder, such as {classes[0]}/")
    if unknown:
        raise InputError(f"{key}: {root / 'train'}: {name} has no class {names_in_short(unknown)}")
    number = [classes.index(it) for it in spelled]
    files = {split: [(path, number[at]) for path, at in of_split] for split, of_split in found.files.items()}
    for split, of_split in files.items():
        there = {at for _, at in of_split}
        missing = [it for at, it in enumerate(classes) if at not in there]
        if missing:
            raise InputError(f"{key}: {root / split}: no folder of {name}'s class {names_in_short(missing)}")
    make = decode_fine_and_coarse if "coarse" in labels else folder.decode
    return folder.make_source(request, found._replace(classes=list(classes), files=files), labels, make)


def decode_fine_and_coarse(root: Path, files: folder.Files, image_size: int, max_pixels: int) -> Chunk:
    """Images and labels of CIFAR-100, as folder.decode; `files` hold the official numbers of fine classes."""
    chunk = folder.decode(root, files, image_size, max_pixels)
    fine = chunk.labels["class"]
    return replace(chunk, labels={"fine": fine, "coarse": COARSE_OF_FINE[fine]})
