"""Data sets of Hugging Face on disk: folders of save_to_disk and parquet files give the pixels they hold."""

import sys

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from pipeline.files import InputError
from pipeline.prepare import huggingface
from tests.prepare.make_request import make_request

datasets = pytest.importorskip("datasets")
SIZE, CLASSES = 16, ["cat", "dog"]
PIXELS = np.random.default_rng(0).integers(256, size=(20, SIZE, SIZE, 3), dtype=np.uint8)


def make(rows, **labels):
    """A data set of the images `rows`; label i % 2."""
    features = {
        "image": datasets.Image(),
        "label": datasets.ClassLabel(names=CLASSES),
        "note": datasets.Value("string"),
    }
    columns = {"image": [Image.fromarray(PIXELS[row]) for row in rows], "label": [row % 2 for row in rows]}
    columns |= {"note": ["x"] * len(rows)}
    return datasets.Dataset.from_dict(columns | labels, features=datasets.Features(features))


def request_of(root, downloads, **changes):
    return make_request("huggingface", root, SIZE, downloads, **changes)


def read(source, split):
    chunks = [source.make(*task) for task in source.tasks(split)]
    labels = [chunk.labels["label"] for chunk in chunks] if source.labels else []
    return np.concatenate([chunk.images for chunk in chunks]), np.concatenate(labels) if labels else None


def write(root, form):
    train, test = make(range(12)), make(range(12, 20))
    if form == "save_to_disk":
        datasets.DatasetDict({"train": train, "validation": test}).save_to_disk(str(root))
    else:
        (root / "data").mkdir(parents=True)
        train.to_parquet(root / "data/train-00000-of-00001.parquet")
        test.to_parquet(root / "data/validation-00000-of-00001.parquet")


@pytest.mark.parametrize("form", ["save_to_disk", "parquet"])
def test_splits_pixels_and_classes_are_those_of_the_set(tmp_path, form, capsys):
    write(tmp_path / "set", form)
    source = huggingface.source(request_of(tmp_path / "set", tmp_path / "downloads"))
    assert source.labels["label"].classes == ("cat", "dog")
    assert source.counts == {"train": 12, "test": 8}
    for split, rows in (("train", range(12)), ("test", range(12, 20))):
        images, labels = read(source, split)
        np.testing.assert_array_equal(images, PIXELS[list(rows)])
        assert labels.tolist() == [row % 2 for row in rows]
    assert "columns that are no ClassLabel are left out: note" in capsys.readouterr().err


def test_one_split_is_split_here_by_class(tmp_path):
    make(range(20)).save_to_disk(str(tmp_path / "set"))
    source = huggingface.source(request_of(tmp_path / "set", tmp_path / "downloads", test_fraction=0.2))
    (train, train_labels), (test, test_labels) = read(source, "train"), read(source, "test")
    assert np.bincount(train_labels).tolist() == [8, 8] and np.bincount(test_labels).tolist() == [2, 2]
    found = sorted(image.tobytes() for image in np.concatenate([train, test]))
    assert found == sorted(image.tobytes() for image in PIXELS)


def test_plain_parquet_of_bytes_has_images_without_labels(tmp_path):
    for row in range(4):
        Image.fromarray(PIXELS[row]).save(tmp_path / f"{row}.png")
    content = [{"bytes": (tmp_path / f"{row}.png").read_bytes(), "path": f"{row}.png"} for row in range(4)]
    content[2]["bytes"] = b"no image"
    pd.DataFrame({"picture": content}).to_parquet(tmp_path / "set.parquet")
    request = request_of(tmp_path / "set.parquet", tmp_path / "downloads", test_fraction=0.25)
    source = huggingface.source(request)
    assert source.labels == {} and source.counts == {"train": 3, "test": 1}
    chunks = [source.make(*task) for split in ("train", "test") for task in source.tasks(split)]
    images = {path: image for chunk in chunks for path, image in zip(chunk.paths, chunk.images, strict=True)}
    assert sorted(images) == ["0.png", "1.png", "3.png"]
    np.testing.assert_array_equal(images["3.png"], PIXELS[3])
    assert [line for chunk in chunks for line in chunk.broken] == ["2.png (not an image)"]


def test_each_mistake_is_one_line_that_names_the_param_and_the_path(tmp_path, monkeypatch):
    def refused(root):
        with pytest.raises(InputError) as caught:
            huggingface.source(request_of(root, tmp_path / "downloads"))
        message = str(caught.value)
        assert message.startswith("data.root: ") and "\n" not in message
        return message

    (tmp_path / "empty").mkdir()
    assert "not a data set of Hugging Face" in refused(tmp_path / "empty")
    (tmp_path / "broken.parquet").write_bytes(b"no parquet")
    assert "broken.parquet: not a data set of Hugging Face" in refused(tmp_path / "broken.parquet")
    datasets.Dataset.from_dict({"text": ["a", "b"]}).save_to_disk(str(tmp_path / "text"))
    assert "has no column of images among text" in refused(tmp_path / "text")
    parts = {"train": make(range(4)), "test": make(range(4)).rename_column("label", "other")}
    datasets.DatasetDict(parts).save_to_disk(str(tmp_path / "unlike"))
    assert "test has other columns or classes than train" in refused(tmp_path / "unlike")
    monkeypatch.setitem(sys.modules, "datasets", None)
    assert refused(tmp_path / "text").endswith("huggingface needs datasets: uv pip install datasets")
