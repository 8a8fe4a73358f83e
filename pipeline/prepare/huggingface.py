"""A data set of Hugging Face `datasets` on disk: what `save_to_disk` wrote, or parquet files.

    <root>/dataset_dict.json, <root>/state.json    of save_to_disk
    <root>, a .parquet file, or a folder of them   train... and test... are their splits

`validation` or `val` stands in where there is no `test`; one split alone is split here, stratified by the
first label, seeded. Every ClassLabel is a label; other columns are left out. Nothing is downloaded.
"""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from pipeline.data.labels import Label
from pipeline.files import InputError, one_line
from pipeline.prepare.encoded import TEST_NAMES, decode, missing
from pipeline.prepare.folder import FILES_PER_TASK
from pipeline.prepare.image_file import printable
from pipeline.prepare.source import Request, Source, choose_test

if TYPE_CHECKING:
    from datasets import Dataset

TAKEN = {"id", "path"}  # columns of labels.parquet that are no label


def source(request: Request) -> Source:
    """The images of the first column that holds images, with the labels of the ClassLabel columns.

    Raises InputError, naming request.key and the path: no such set, no column of images, splits with other
    classes, a set of one image; and where the library is missing.
    """
    try:
        from datasets import ClassLabel, Image
    except ModuleNotFoundError as error:
        raise missing(request, error) from None
    root, data = request.folder, request.data
    splits, left_out = _open(request)
    features = splits["train"].features
    column = next((name for name, kind in features.items() if _holds_images(kind)), None)
    if column is None:
        raise InputError(f"{request.key}: {root} has no column of images among {', '.join(features)}")
    labels = {
        name: Label("categorical", tuple(map(printable, kind.names)))
        for name, kind in features.items()
        if isinstance(kind, ClassLabel)
    }
    if taken := labels.keys() & TAKEN:
        raise InputError(f"{request.key}: {root}: the labels {', '.join(sorted(taken))} need another name")
    if others := [name for name in features if name != column and name not in labels]:
        print(f"{root}: columns that are no ClassLabel are left out: {', '.join(others)}", file=sys.stderr)
    if "test" not in splits:
        everything = splits["train"]
        first = next(iter(labels), None)
        classes = _numbers(everything[first][:]) if first else np.zeros(len(everything), int)
        in_test = choose_test(classes, data)
        splits = {
            "train": everything.select(np.flatnonzero(~in_test)),
            "test": everything.select(np.flatnonzero(in_test)),
        }
    for split, dataset in splits.items():
        if any(dataset.features.get(name) != features[name] for name in (column, *labels)):
            raise InputError(f"{request.key}: {root}: {split} has other columns or classes than train")
        if not len(dataset):
            raise InputError(f"{request.key}: {root}: {split} has no images; one image is too few to split")
    try:
        splits = {split: it.cast_column(column, Image(decode=False)) for split, it in splits.items()}
    except (ValueError, TypeError) as error:
        raise InputError(f"{request.key}: {root}: {column} holds no images ({one_line(error)})") from None

    def tasks(split: str) -> Iterator[tuple[Any, ...]]:
        dataset = splits[split].select_columns([column, *labels])
        for start in range(0, len(dataset), FILES_PER_TASK):
            rows = dataset[start : start + FILES_PER_TASK]
            items = [
                (Path((image or {}).get("path") or f"row {start + row}").name, _content(image or {}))
                for row, image in enumerate(rows[column])
            ]
            numbers = {name: _numbers(rows[name]) for name in labels}
            yield items, numbers, data.image_size, data.max_pixels

    counts = {split: len(it) for split, it in splits.items()}
    return Source(labels, counts, decode, tasks, left_out=left_out)


def _open(request: Request) -> "tuple[dict[str, Dataset], dict[str, int]]":
    """Split to data set, "train" alone where the set has no split to test on; and rows of other splits."""
    from datasets import Dataset, DatasetDict, load_from_disk
    from datasets.exceptions import DatasetsError

    root = request.folder
    cache = str(request.downloads / "huggingface")  # Arrow copies of parquet files
    for path in (root, *root.rglob("*")):
        if path.exists() and not path.is_dir() and not path.is_file():
            raise InputError(f"{request.key}: {printable(str(path))}: not a regular file")
    try:
        if root.is_dir() and not list(root.rglob("*.parquet")):
            found = load_from_disk(str(root))
        else:
            files = [root] if root.is_file() else sorted(root.rglob("*.parquet"))
            named: dict[str, list[Any]] = {}
            for file in files:
                name = next((it for it in ("train", *TEST_NAMES[::-1]) if file.name.startswith(it)), "other")
                named.setdefault(name, []).append(str(file))
            found = DatasetDict(
                {name: Dataset.from_parquet(paths, cache_dir=cache) for name, paths in named.items()}
            )
    except (OSError, ValueError, KeyError, TypeError, DatasetsError) as error:
        reason = one_line(error)
        raise InputError(f"{request.key}: {root}: not a data set of Hugging Face ({reason})") from None
    if isinstance(found, Dataset):
        return {"train": found}, {}
    test = next((name for name in TEST_NAMES if name in found), None)
    if "train" in found and test:
        others = sum(len(it) for name, it in found.items() if name not in ("train", test))
        left_out = {"in_other_splits": others} if others else {}
        return {"train": found["train"], "test": found[test]}, left_out
    if len(found) == 1:
        return {"train": next(iter(found.values()))}, {}
    raise InputError(
        f"{request.key}: {root} has the splits {', '.join(map(str, found))} and needs train and test"
    )


def _numbers(classes: list[int | None]) -> np.ndarray:
    """A column of classes, -1 where there is none."""
    return np.array([-1 if number is None else number for number in classes], np.int64)


def _holds_images(kind: Any) -> bool:
    """Whether a feature holds images: it says so, or it has the same storage, as plain parquet files have."""
    from datasets import Image, Value

    of_bytes = isinstance(kind, Value) and kind.dtype == "binary"
    return isinstance(kind, Image) or of_bytes or (isinstance(kind, dict) and set(kind) == {"bytes", "path"})


def _content(image: dict[str, Any]) -> bytes:
    """The bytes of an image: in the table, or in the file that it names; none where that is gone."""
    if image.get("bytes") is not None:
        return image["bytes"]
    path = Path(image.get("path") or "")
    return path.read_bytes() if path.is_file() else b""
