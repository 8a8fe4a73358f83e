"""CIFAR-10 and CIFAR-100 (Krizhevsky, 2009): the official archive, with torchvision's address and checksums,
or class folders of images (cifar_folder.py).

torchvision is imported inside functions: it brings torch, which takes seconds, and neither the other sets nor
the worker processes need it. No file is unpickled before its md5 was compared.
"""

import errno
import pickle
import socket
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPException
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from pipeline.data.labels import Label
from pipeline.files import InputError
from pipeline.prepare import cifar_folder
from pipeline.prepare.source import Chunk, Request, Source, chunk_size, fit_square

if TYPE_CHECKING:
    from torchvision.datasets import CIFAR10

SIDE = 32
COUNTS = {"train": 50_000, "test": 10_000}
LABEL_KEYS = {  # label: key of its numbers in a batch, key of its classes in the meta file
    "cifar10": {"class": ("labels", "label_names")},
    "cifar100": {
        "fine": ("fine_labels", "fine_label_names"),
        "coarse": ("coarse_labels", "coarse_label_names"),
    },
}
DISK_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
NETWORK_TIMEOUT = 30.0  # seconds without an answer


def source(request: Request) -> Source:
    """The source of "cifar10" (label `class`) or "cifar100" (labels `fine`, 100, and `coarse`, 20).

    request.path: the folder that holds the archive or what was in it, or the unpacked folder itself, or else
    train/ and test/ with a folder a class; None: the archive is downloaded to request.downloads. Archives are
    unpacked there too, so `path` may be read-only. Raises InputError, naming the file, its md5 and where it
    should be, where there is no network or a file is missing or changed, and as cifar_folder.source does.
    """
    kind = _kind(request.name)
    if request.path and _has_class_folders(kind, request.path):
        return cifar_folder.source(request)
    batches = _locate(kind, request)
    keys, image_size = LABEL_KEYS[request.name], request.data.image_size
    meta = _unpickle(batches / kind.meta["filename"])
    labels = {label: Label("categorical", tuple(meta[classes])) for label, (_, classes) in keys.items()}
    step = chunk_size(image_size)

    def tasks(split: str) -> Iterator[tuple[Any, ...]]:
        for batch, _ in kind.train_list if split == "train" else kind.test_list:
            content = _unpickle(batches / batch)
            pixels = content["data"].reshape(-1, 3, SIDE, SIDE).transpose(0, 2, 3, 1)
            for start in range(0, len(pixels), step):
                rows = slice(start, start + step)
                values = {label: np.array(content[key][rows]) for label, (key, _) in keys.items()}
                yield pixels[rows], values, image_size

    return Source(labels, COUNTS, _resize, tasks, parallel=image_size != SIDE)


def _resize(pixels: np.ndarray, labels: dict[str, np.ndarray], image_size: int) -> Chunk:
    images = [fit_square(Image.fromarray(image), image_size) for image in np.ascontiguousarray(pixels)]
    return Chunk(np.stack(images), labels)


def _kind(name: str) -> "type[CIFAR10]":
    from torchvision.datasets import CIFAR10, CIFAR100

    return {"cifar10": CIFAR10, "cifar100": CIFAR100}[name]


def _has_class_folders(kind: "type[CIFAR10]", root: Path) -> bool:
    """Whether `root` has train/ or test/ and nothing of the archive, which comes first."""
    if any((root / name).exists() for name in (kind.filename, kind.base_folder, kind.meta["filename"])):
        return False
    return (root / "train").is_dir() or (root / "test").is_dir()


def _locate(kind: "type[CIFAR10]", request: Request) -> Path:
    """The folder of the unpacked batches, checked."""
    from torchvision.datasets.utils import check_integrity, download_and_extract_archive, extract_archive

    root, downloads = request.path, request.downloads
    wrong = _first_wrong(kind, root or downloads)
    if wrong is None:
        return _batches(kind, root or downloads)
    put = f"put {kind.filename} (md5 {kind.tgz_md5}, from {kind.url})"
    archive = (root or downloads) / kind.filename
    try:
        if root is None:
            with _network_timeout():
                download_and_extract_archive(kind.url, downloads, filename=kind.filename, md5=kind.tgz_md5)
        elif not archive.is_file():
            raise InputError(
                f"{request.key}: {wrong} is missing, partial or changed; {put} into {root}, "
                "or give a folder with train/ and test/, each with a folder a class"
            )
        elif not check_integrity(archive, kind.tgz_md5):
            raise InputError(f"{request.key}: {archive} is partial or changed; {put} there")
        elif _first_wrong(kind, downloads) is not None:
            extract_archive(archive, downloads)
    except (OSError, RuntimeError, HTTPException, EOFError, tarfile.TarError) as error:
        if isinstance(error, OSError) and error.errno in DISK_FULL:
            raise
        raise InputError(
            f"{archive}: cannot be downloaded or unpacked ({error}); {put} into {downloads}"
        ) from None
    wrong = _first_wrong(kind, downloads)
    if wrong is not None:
        raise InputError(f"{wrong}: not what {archive} should hold; {put} into {archive.parent}")
    return _batches(kind, downloads)


def _batches(kind: "type[CIFAR10]", folder: Path) -> Path:
    """The unpacked folder: `folder` itself where it holds the meta file, else its sub-folder of that name."""
    return folder if (folder / kind.meta["filename"]).is_file() else folder / kind.base_folder


def _first_wrong(kind: "type[CIFAR10]", folder: Path) -> Path | None:
    """The first unpacked file that is missing or has another md5."""
    from torchvision.datasets.utils import check_integrity

    meta = (kind.meta["filename"], kind.meta["md5"])
    files = [(_batches(kind, folder) / file, md5) for file, md5 in (*kind.train_list, *kind.test_list, meta)]
    return next((path for path, md5 in files if not check_integrity(path, md5)), None)


@contextmanager
def _network_timeout() -> Iterator[None]:
    """torchvision sets none: behind a firewall that drops packets it would wait for ever."""
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(NETWORK_TIMEOUT)
    try:
        yield
    finally:
        socket.setdefaulttimeout(before)


def _unpickle(path: Path) -> dict[str, Any]:
    with path.open("rb") as handle:
        return pickle.load(handle, encoding="latin1")
