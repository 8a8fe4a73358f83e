"""WebDataset shards on disk: tar files whose members share a name, `0001.jpg` with `0001.cls`.

    <root>, a .tar file, or a folder of them       train... and test... are their splits

`val` or `validation` stands in where there is no `test`; shards of one split alone are split here, stratified
by class, seeded. `.cls` is the class, as a number or a name; an image without one has no label.
"""

import tarfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.data.labels import Label
from pipeline.files import InputError
from pipeline.prepare.encoded import TEST_NAMES, decode, missing
from pipeline.prepare.folder import FILES_PER_TASK
from pipeline.prepare.image_file import ENDINGS, names_in_short, printable
from pipeline.prepare.source import Request, Source, choose_test
from pipeline.prepare.workers import chunks_of

BYTES_PER_PIXEL, HEADER = 8, 2**20  # of the largest image: four channels of 16 bits, not compressed

Sample = tuple[str, bytes, str]
"""Name, bytes of the image, text of `.cls`; empty where there is none."""


def source(request: Request) -> Source:
    """The images of the shards, with the label `class` where there are at least two classes.

    Shards are read twice: for the classes, and for the images. Raises InputError, naming request.key and the
    path: no such shards, a broken one, no images, a class of test that train lacks; and where the library is
    missing.
    """
    shards, left_out = _shards(request)
    for shard in (shard for files in shards.values() for shard in files):
        _check_shard(request, shard)
    data = request.data
    texts = {split: [text for *_, text in _samples(request, files)] for split, files in shards.items()}
    names = sorted({text for text in texts["train"] if text}, key=lambda it: (len(it), it))
    number = {name: index for index, name in enumerate(names)} | {"": -1}
    if unknown := sorted(set(texts.get("test", ())) - set(number)):
        raise InputError(f"{request.key}: {request.folder}: train has no class {names_in_short(unknown)}")
    classes = {split: np.array([number[it] for it in found], np.int64) for split, found in texts.items()}
    rows = {split: np.ones(len(found), bool) for split, found in classes.items()}
    if "test" not in shards:
        in_test = choose_test(classes["train"], data)
        shards["test"], classes["test"] = shards["train"], classes["train"]
        rows = {"train": ~in_test, "test": in_test}
    for split, chosen in rows.items():
        if not chosen.any():
            raise InputError(f"{request.key}: {request.folder}: no images for {split}")
    labels = {"class": Label("categorical", tuple(map(printable, names)))} if len(names) > 1 else {}

    def tasks(split: str) -> Iterator[tuple[Any, ...]]:
        samples = zip(_samples(request, shards[split]), classes[split], rows[split], strict=True)
        chosen = ((sample[:2], label) for sample, label, wanted in samples if wanted)
        for part in chunks_of(chosen, FILES_PER_TASK):
            items, numbers = zip(*part, strict=True)
            yield items, {"class": np.array(numbers, np.int64)}, data.image_size, data.max_pixels

    counts = {split: int(chosen.sum()) for split, chosen in rows.items()}
    return Source(labels, counts, decode, tasks, left_out=left_out)


def _shards(request: Request) -> tuple[dict[str, list[Path]], dict[str, int]]:
    """Split to its shards, in order, "train" alone where none is for tests; and how many are left out."""
    root = request.folder
    files = sorted(root.rglob("*.tar")) if root.is_dir() else [root]
    if not files or not root.exists():
        raise InputError(f"{request.key}: {root} has no .tar files")
    of_train = [file for file in files if file.name.startswith("train")]
    for name in TEST_NAMES:
        of_test = [file for file in files if file.name.startswith(name)]
        if of_train and of_test:
            others = len(files) - len(of_train) - len(of_test)
            left_out = {"shards_of_other_splits": others} if others else {}
            return {"train": of_train, "test": of_test}, left_out
    return {"train": files}, {}


def _check_shard(request: Request, shard: Path) -> None:
    """Raises InputError for what is no archive, and for one with a member that is larger than any image of
    data.max_pixels: reading it could take more memory than there is."""
    most = BYTES_PER_PIXEL * request.data.max_pixels + HEADER
    place = f"{request.key}: {printable(str(shard))}"
    if not shard.is_file():
        raise InputError(f"{place}: not a regular file")
    try:
        with tarfile.open(shard) as archive:
            large = next((member for member in archive if member.size > most), None)
    except (OSError, ValueError, EOFError, zlib.error, tarfile.TarError) as error:
        raise InputError(f"{place}: not WebDataset shards ({' '.join(str(error).split())})") from None
    if large:
        raise InputError(
            f"{place}: {printable(large.name)} has {large.size:,} bytes, an image of data.max_pixels at most "
            f"{most:,}"
        )


def _samples(request: Request, shards: list[Path]) -> Iterator[Sample]:
    try:
        from webdataset import tariterators
    except ModuleNotFoundError as error:
        raise missing(request, error) from None
    kinds = {ending[1:] for ending in ENDINGS}
    files = tariterators.tar_file_expander(_opened(shards), select_files=_is_wanted)
    try:
        for sample in tariterators.group_by_keys(files):
            image = next((sample[kind] for kind in sorted(sample) if kind in kinds), None)
            if image is not None:
                text = sample.get("cls", b"").decode("utf-8", "backslashreplace")
                yield sample["__key__"], image, text.strip()
    except (OSError, ValueError, EOFError, tarfile.TarError) as error:
        reason = " ".join(str(error.args[0] if error.args else error).split())
        raise InputError(f"{request.key}: {request.folder}: not WebDataset shards ({reason})") from None


def _opened(shards: list[Path]) -> Iterator[dict[str, Any]]:
    """Opened here: webdataset takes a path for an address, which may name a command to run."""
    for shard in shards:
        with shard.open("rb") as stream:
            yield {"url": str(shard), "stream": stream}


def _is_wanted(name: str) -> bool:
    return name.lower().endswith((*ENDINGS, ".cls"))
