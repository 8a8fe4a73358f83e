"""CLEVR from a small folder of the true layout, with VTAB's classes."""

import json
from pathlib import Path

import numpy as np
import pytest
from conftest import default_tree

from pipeline.data.store import open_set
from pipeline.files import InputError
from pipeline.params import RuntimeParams
from pipeline.prepare import clevr
from pipeline.prepare.write import write_set
from tests.prepare.clevr_folder import VAL, scene, write_clevr
from tests.prepare.make_request import make_request


def prepare(root: Path, folder: Path, max_broken: int = 0, workers: int = 1) -> None:
    request = make_request("clevr", root, 32, max_broken=max_broken)
    runtime = RuntimeParams.model_validate(default_tree()["runtime"] | {"workers": workers})
    write_set(folder, request, clevr.source(request), runtime)


def test_counts_and_nearest_depths_are_vtabs_classes(tmp_path):
    prepare(write_clevr(tmp_path / "CLEVR_v1.0"), tmp_path / "clevr")
    image_set = open_set(tmp_path / "clevr")
    assert image_set.labels["count_all"].classes == ("3", "4", "5", "6", "7", "8", "9", "10")
    assert len(image_set.labels["closest_object_distance"].classes) == 6
    assert [label.survives_crop for label in image_set.labels.values()] == [False, False]
    train, test = image_set.split("train").labels, image_set.split("test").labels
    assert train["count_all"].tolist() == [0, 1, 7]
    assert test["count_all"].tolist() == [2, 0]
    # VTAB: the last of [0, 8, 8.5, 9, 9.5, 10, 100] that lies below the smallest depth.
    assert train["closest_object_distance"].tolist() == [3, 0, 4]
    assert test["closest_object_distance"].tolist() == [5, 0]


def test_the_classes_agree_with_vtabs_rule_at_every_depth(tmp_path):
    depths = [0.5, 7.99, 8.0, 8.01, 8.5, 8.7, 9.0, 9.2, 9.5, 9.9, 10.0, 10.01, 99.0]
    root = write_clevr(tmp_path, train=[[depth, 99.5, 99.5] for depth in depths])
    source = clevr.source(make_request("clevr", root, 16))
    ((_, scenes, *_),) = source.tasks("train")
    edges = np.array([0.0, 8.0, 8.5, 9.0, 9.5, 10.0, 100.0])
    assert [distance for _, _, distance in scenes] == [np.nonzero(edges < depth)[0].max() for depth in depths]


def test_images_are_squeezed_so_that_nothing_is_cut_off(tmp_path):
    prepare(write_clevr(tmp_path / "CLEVR_v1.0"), tmp_path / "clevr")
    image = open_set(tmp_path / "clevr").split("train").images[0]
    assert image.shape == (32, 32, 3)
    assert image[:, [0, -1], 0].min() > 200 and image[:, [0, -1], 1].max() < 60
    assert image[:, 16].min() > 200


def test_the_number_of_workers_changes_nothing(tmp_path):
    root = write_clevr(tmp_path / "CLEVR_v1.0")
    for workers in (1, 2):
        prepare(root, tmp_path / str(workers), workers=workers)
    assert open_set(tmp_path / "1").fingerprint == open_set(tmp_path / "2").fingerprint


def test_missing_and_broken_images_are_named_and_counted(tmp_path):
    root = write_clevr(tmp_path / "CLEVR_v1.0", val=[[9.0] * 3, *VAL])
    (root / "images/train/CLEVR_train_000000.png").unlink()
    (root / "images/val/CLEVR_val_000001.png").write_bytes(b"half a file")
    with pytest.raises(InputError, match=r"max_broken: 1 .* images/train/CLEVR_train_000000\.png \(No such"):
        prepare(root, tmp_path / "clevr")
    prepare(root, tmp_path / "clevr", max_broken=2)
    image_set = open_set(tmp_path / "clevr")
    assert image_set.counts == {"train": 2, "test": 2}
    assert image_set.split("train").labels["count_all"].tolist() == [1, 7]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "No such file or directory; a CLEVR_v1.0 folder is needed"),
        ("{", "not CLEVR's scenes"),
        ('{"info": {}}', "not CLEVR's scenes"),
        ("[1]", "not CLEVR's scenes"),
        ('{"scenes": [{"objects": [{"pixel_coords": [1]}]}]}', "not CLEVR's scenes"),
        ('{"scenes": []}', "holds no scenes"),
        (json.dumps({"scenes": [scene("val", 0, [9.0] * 11)]}), "has 11 objects, count_all takes 3 to 10"),
        (json.dumps({"scenes": [scene("val", 0, [9.0, 9.0, -1.0])]}), "has an object at depth -1"),
    ],
)
def test_other_files_are_one_line_that_names_them(tmp_path, content, message):
    root = write_clevr(tmp_path)
    path = root / "scenes/CLEVR_val_scenes.json"
    path.unlink() if content is None else path.write_text(content)
    with pytest.raises(InputError) as caught:
        clevr.source(make_request("clevr", root, 32))
    assert str(caught.value).startswith(f"data.root: {path}: ") and message in str(caught.value)
    assert "\n" not in str(caught.value)
