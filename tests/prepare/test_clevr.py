"""CLEVR from a small folder of the true layout, with VTAB's classes."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pipeline.data.store import open_set
from pipeline.files import InputError
from pipeline.prepare.clevr import clevr_source
from pipeline.prepare.source import write_set

OBJECT = {
    "color": "gray", "size": "large", "shape": "cube", "material": "rubber", "rotation": 12.3,
    "3d_coords": [0.1, 0.2, 0.7],
}  # fmt: skip
TRAIN = [[9.4, 12.0, 11.0], [8.0, 8.6, 9.0, 15.2], [10.0] * 10]  # depths of each scene's objects
VAL = [[10.1] * 5, [7.9, 20.0, 20.0]]


def scene(part: str, index: int, depths: list[float]) -> dict:
    """A scene as CLEVR's files hold it."""
    others = [[other for other in range(len(depths)) if other != own] for own in range(len(depths))]
    return {
        "split": part,
        "image_index": index,
        "image_filename": f"CLEVR_{part}_{index:06d}.png",
        "objects": [OBJECT | {"pixel_coords": [100, 90 + at, depth]} for at, depth in enumerate(depths)],
        "relationships": dict.fromkeys(("right", "left", "front", "behind"), others),
        "directions": {"right": [0.6, 0.7, -0.0], "left": [-0.6, -0.7, 0.0]},
    }


def clevr(root: Path, train=TRAIN, val=VAL) -> Path:
    """CLEVR_v1.0/{scenes,images}, with RGBA images whose left and right edges are red."""
    for part, scenes in (("train", train), ("val", val)):
        (root / "images" / part).mkdir(parents=True)
        (root / "scenes").mkdir(exist_ok=True)
        found = [scene(part, index, depths) for index, depths in enumerate(scenes)]
        info = {"date": "2/14/2017", "version": "1.0", "split": part, "license": "CC BY 4.0"}
        (root / f"scenes/CLEVR_{part}_scenes.json").write_text(json.dumps({"info": info, "scenes": found}))
        for index in range(len(scenes)):
            pixels = np.full((320, 480, 4), 255, np.uint8)
            pixels[:, :40, 1:3] = pixels[:, -40:, 1:3] = 0
            Image.fromarray(pixels).save(root / f"images/{part}/CLEVR_{part}_{index:06d}.png")
    return root


def prepare(root: Path, folder: Path, max_broken: int = 0, workers: int = 1) -> None:
    write_set(folder, "clevr", 32, clevr_source(root, 32, "data.root"), workers, max_broken)


def test_counts_and_nearest_depths_are_vtabs_classes(tmp_path):
    prepare(clevr(tmp_path / "CLEVR_v1.0"), tmp_path / "clevr")
    found = open_set(tmp_path / "clevr")
    assert found.labels["count_all"].classes == ("3", "4", "5", "6", "7", "8", "9", "10")
    assert len(found.labels["closest_object_distance"].classes) == 6
    assert [label.survives_crop for label in found.labels.values()] == [False, False]
    train, test = found.split("train").labels, found.split("test").labels
    assert train["count_all"].tolist() == [0, 1, 7]
    assert test["count_all"].tolist() == [2, 0]
    # VTAB: the last of [0, 8, 8.5, 9, 9.5, 10, 100] that lies below the smallest depth.
    assert train["closest_object_distance"].tolist() == [3, 0, 4]
    assert test["closest_object_distance"].tolist() == [5, 0]


def test_the_classes_agree_with_vtabs_rule_at_every_depth(tmp_path):
    depths = [0.5, 7.99, 8.0, 8.01, 8.5, 8.7, 9.0, 9.2, 9.5, 9.9, 10.0, 10.01, 99.0]
    root = clevr(tmp_path, train=[[depth, 99.5, 99.5] for depth in depths])
    source = clevr_source(root, 16, "data.root")
    ((_, scenes, _),) = source.tasks("train")
    edges = np.array([0.0, 8.0, 8.5, 9.0, 9.5, 10.0, 100.0])
    assert [distance for _, _, distance in scenes] == [np.nonzero(edges < depth)[0].max() for depth in depths]


def test_images_are_squeezed_so_that_nothing_is_cut_off(tmp_path):
    prepare(clevr(tmp_path / "CLEVR_v1.0"), tmp_path / "clevr")
    image = open_set(tmp_path / "clevr").split("train").images[0]
    assert image.shape == (32, 32, 3)
    assert image[:, [0, -1], 0].min() > 200 and image[:, [0, -1], 1].max() < 60
    assert image[:, 16].min() > 200


def test_the_number_of_workers_changes_nothing(tmp_path):
    root = clevr(tmp_path / "CLEVR_v1.0")
    for workers in (1, 2):
        prepare(root, tmp_path / str(workers), workers=workers)
    assert open_set(tmp_path / "1").fingerprint == open_set(tmp_path / "2").fingerprint


def test_missing_and_broken_images_are_named_and_counted(tmp_path):
    root = clevr(tmp_path / "CLEVR_v1.0")
    (root / "images/train/CLEVR_train_000000.png").unlink()
    (root / "images/val/CLEVR_val_000001.png").write_bytes(b"half a file")
    with pytest.raises(InputError, match=r"max_broken: 1 .* images/train/CLEVR_train_000000\.png \(No such"):
        prepare(root, tmp_path / "clevr")
    prepare(root, tmp_path / "clevr", max_broken=2)
    found = open_set(tmp_path / "clevr")
    assert found.counts == {"train": 2, "test": 1}
    assert found.split("train").labels["count_all"].tolist() == [1, 7]


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
    root = clevr(tmp_path)
    path = root / "scenes/CLEVR_val_scenes.json"
    path.unlink() if content is None else path.write_text(content)
    with pytest.raises(InputError) as caught:
        clevr_source(root, 32, "embed.sets")
    assert str(caught.value).startswith(f"embed.sets: {path}: ") and message in str(caught.value)
    assert "\n" not in str(caught.value)
