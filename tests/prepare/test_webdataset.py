"""WebDataset shards on disk give the pixels and classes that they hold, in order."""

import io
import sys

import numpy as np
import pytest
from PIL import Image

from pipeline.files import InputError
from pipeline.prepare import webdataset
from tests.prepare.make_request import make_request

wds = pytest.importorskip("webdataset")
SIZE = 16
PIXELS = np.random.default_rng(0).integers(256, size=(20, SIZE, SIZE, 3), dtype=np.uint8)


def png(row):
    file = io.BytesIO()
    Image.fromarray(PIXELS[row]).save(file, "png")
    return file.getvalue()


def write(path, rows, classes):
    """A shard; classes: row -> text of .cls, or None."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with wds.TarWriter(str(path)) as shard:
        for row in rows:
            sample = {"__key__": f"{row:04}", "png": png(row), "json": {"row": row}}
            shard.write(sample | ({"cls": classes(row).encode()} if classes(row) else {}))


def source(root, **changes):
    return webdataset.source(make_request("webdataset", root, SIZE, **changes))


def read(images, split):
    chunks = [images.make(*task) for task in images.tasks(split)]
    return tuple(
        np.concatenate(part) for part in ([it.images for it in chunks], [it.labels["class"] for it in chunks])
    )


def test_shards_are_read_in_order_with_their_splits_and_classes(tmp_path):
    write(tmp_path / "train-1.tar", range(6, 12), lambda row: str(row))
    write(tmp_path / "train-0.tar", range(6), lambda row: str(row))
    write(tmp_path / "val-0.tar", range(12, 16), lambda row: str(row - 12) if row < 15 else None)
    images = source(tmp_path)
    assert images.labels["class"].classes == tuple(map(str, range(12)))
    assert images.counts == {"train": 12, "test": 4}
    for split, rows, classes in (("train", range(12), [*range(12)]), ("test", range(12, 16), [0, 1, 2, -1])):
        pixels, labels = read(images, split)
        np.testing.assert_array_equal(pixels, PIXELS[list(rows)])
        assert labels.tolist() == classes


def test_shards_without_a_split_are_split_here_by_class(tmp_path):
    write(tmp_path / "a.tar", range(20), lambda row: "cat" if row < 10 else "dog")
    images = source(tmp_path / "a.tar", test_fraction=0.2)
    (train, train_labels), (test, test_labels) = read(images, "train"), read(images, "test")
    assert np.bincount(train_labels).tolist() == [8, 8] and np.bincount(test_labels).tolist() == [2, 2]
    found = sorted(image.tobytes() for image in np.concatenate([train, test]))
    assert found == sorted(image.tobytes() for image in PIXELS)


def test_images_without_classes_have_no_label(tmp_path):
    write(tmp_path / "a.tar", range(8), lambda _: None)
    assert source(tmp_path).labels == {}


def test_each_mistake_is_one_line_that_names_the_param_and_the_path(tmp_path, monkeypatch):
    def refused(root):
        with pytest.raises(InputError) as caught:
            source(root)
        message = str(caught.value)
        assert message.startswith("data.root: ") and str(root) in message and "\n" not in message
        return message

    assert "has no .tar files" in refused(tmp_path)
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken/a.tar").write_bytes(b"no archive" * 100)
    assert "not WebDataset shards" in refused(tmp_path / "broken")
    write(tmp_path / "unlike/train.tar", range(4), lambda _: "cat")
    write(tmp_path / "unlike/test.tar", range(4), lambda _: "dog")
    assert "train has no class dog" in refused(tmp_path / "unlike")
    write(tmp_path / "one/a.tar", range(1), lambda _: "cat")
    assert "no images for test" in refused(tmp_path / "one")
    monkeypatch.setitem(sys.modules, "webdataset", None)
    with pytest.raises(InputError, match=r"^data\.root: webdataset needs webdataset: uv pip install web"):
        source(tmp_path / "one")
