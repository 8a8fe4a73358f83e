"""The prepare stage: whole outputs, the same for any number of workers, and one line for each mistake."""

import json
import os
import resource
import signal
import subprocess
from pathlib import Path

import numpy as np
import pytest
import yaml
from conftest import start_stage
from PIL import Image

from pipeline import params
from pipeline.data.store import open_set
from pipeline.files import InputError, ParamsError
from pipeline.prepare.cifar_classes import FINE_CLASSES
from stages import prepare
from tests.prepare.clevr_folder import write_clevr

REPOSITORY = Path(__file__).parents[2]


def tree(data: dict, sets=(), **runtime) -> dict:
    """The content of params.yaml with a small set."""
    content = yaml.safe_load((REPOSITORY / "params.yaml").read_text())
    scenes = {"variant": "textured", "num_train": 40, "num_test": 20}
    content["data"] |= {"image_size": 32, "scenes": scenes} | data
    content["embed"]["sets"] = list(sets)
    content["runtime"] |= {"workers": 1} | runtime
    return content


def make(data: dict, sets=(), **runtime) -> params.Params:
    return params.Params.model_validate(tree(data, sets, **runtime))


def listen() -> None:
    """Undo what a shell does to a command in the background: Ctrl-C is ignored there."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def images_in(folder: Path, classes=("a", "b"), count=6, size=(40, 32)) -> Path:
    rng = np.random.default_rng(0)
    for name in classes:
        (folder / name).mkdir(parents=True, exist_ok=True)
        for number in range(count):
            pixels = rng.integers(256, size=(*size[::-1], 3), dtype=np.uint8)
            Image.fromarray(pixels).save(folder / name / f"{number}.png")
    return folder


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("image_size", [32, 64])
def test_generated_scenes_are_prepared_and_described(tmp_path, capsys, image_size):
    prepare.main(make({"name": "scenes", "image_size": image_size}), tmp_path)
    image_set = open_set(tmp_path / "artifacts" / "data" / "scenes")
    for split, count in (("train", 40), ("test", 20)):
        read = image_set.split(split)
        assert read.images.shape == (count, image_size, image_size, 3)
        assert set(read.labels) == {*image_set.labels, "id"}
        grid = image_size // 4
        assert {cells.shape for cells in read.patch_labels.values()} == {(count, grid, grid)}
    assert json.loads((tmp_path / "reports/metrics/prepare.json").read_text())["scenes"] == {
        "train": 40,
        "test": 20,
        "hash": image_set.fingerprint,
        "broken": 0,
        "left_out": {},
        "duplicates": {"train": 0, "test": 0, "test_in_train": 0},
        "image_size": image_size,
        "num_labels": len(image_set.labels),
    }
    size = f"{image_size}x{image_size}"
    expected = f"scenes: 40 train and 20 test images of {size}, {len(image_set.labels)} labels\n"
    assert capsys.readouterr().out == expected


def test_no_image_is_in_both_splits(tmp_path):
    scenes = {"variant": "factors", "num_train": 300, "num_test": 300}
    prepare.main(make({"name": "scenes", "scenes": scenes}), tmp_path)
    image_set = open_set(tmp_path / "artifacts" / "data" / "scenes")
    images = [image.tobytes() for split in ("train", "test") for image in image_set.split(split).images]
    assert len(set(images)) == 600


def test_another_seed_gives_another_set(tmp_path):
    for seed in (0, 1):
        prepare.main(make({"name": "scenes", "seed": seed}), tmp_path / str(seed))
    hashes = {open_set(tmp_path / str(seed) / "artifacts/data/scenes").fingerprint for seed in (0, 1)}
    assert len(hashes) == 2


@pytest.mark.parametrize("name", ["scenes", "folder"])
def test_the_number_of_workers_changes_no_byte(tmp_path, name):
    images_in(tmp_path / "images", classes=("a", "b", "c", "d"), count=100)
    scenes = {"variant": "factors", "num_train": 2100, "num_test": 3}
    root = str(tmp_path / "images") if name == "folder" else None
    data = {"name": name, "root": root, "image_size": 32, "scenes": scenes}
    for workers in (1, 2):
        prepare.main(make(data, workers=workers), tmp_path / str(workers))
    alone, shared = (contents(tmp_path / str(workers)) for workers in (1, 2))
    assert len(alone) >= 6
    assert alone == shared


def test_a_folder_keeps_the_path_of_each_image(tmp_path):
    root = images_in(tmp_path / "images")
    prepare.main(make({"name": "folder", "root": str(root), "test_fraction": 0.5}), tmp_path)
    read = open_set(tmp_path / "artifacts" / "data" / "folder").split("train")
    assert len(read) == 6
    assert sorted(read.labels["path"]) == list(read.labels["path"])
    assert [path.split("/")[0] for path in read.labels["path"]] == ["a"] * 3 + ["b"] * 3


def test_sets_to_embed_are_prepared_beside_the_first_one_each_once(tmp_path, capsys):
    root = images_in(tmp_path / "images")
    prepare.main(make({"name": "folder", "root": str(root)}, sets=["scenes", "folder"]), tmp_path)
    assert {path.name for path in (tmp_path / "artifacts" / "data").iterdir()} == {"folder", "scenes"}
    assert [line.split(":")[0] for line in capsys.readouterr().out.splitlines()] == ["folder", "scenes"]


def test_sets_to_embed_have_roots_of_their_own(tmp_path):
    images_in(tmp_path / "cats")
    images_in(tmp_path / "dogs", classes=("c", "d", "e"), size=(64, 64))
    write_clevr(tmp_path / "CLEVR_v1.0")
    sets = [f"dogs:{tmp_path}/dogs", "scenes", f"clevr:{tmp_path}/CLEVR_v1.0", "folder"]
    prepare.main(make({"name": "folder", "root": str(tmp_path / "cats")}, sets=sets), tmp_path)
    names = ("folder", "dogs", "scenes", "clevr")
    image_sets = {name: open_set(tmp_path / "artifacts/data" / name) for name in names}
    assert {image_set.image_size for image_set in image_sets.values()} == {32}
    assert image_sets["dogs"].labels["class"].classes == ("c", "d", "e")
    assert set(image_sets["clevr"].labels) == {"count_all", "closest_object_distance"}


def test_cifar_in_class_folders_is_prepared_beside_another_set_with_both_labels(tmp_path):
    for split in ("train", "test"):
        images_in(tmp_path / "images" / split, classes=FINE_CLASSES, count=1)
    prepare.main(make({"name": "scenes"}, sets=["cifar100:images"]), tmp_path)
    image_set = open_set(tmp_path / "artifacts/data/cifar100")
    num_classes = {name: len(label.classes) for name, label in image_set.labels.items()}
    assert num_classes == {"fine": 100, "coarse": 20}
    for split in ("train", "test"):
        labels = image_set.split(split).labels
        folders = [path.split("/")[1] for path in labels["path"]]
        assert folders == [FINE_CLASSES[number] for number in labels["fine"]]
        assert len(set(labels["coarse"])) == 20
    (tmp_path / "images/test").rename(tmp_path / "images/validation")
    with pytest.raises(InputError, match=r"^embed\.sets: .*images/test: no such folder"):
        prepare.main(make({"name": "scenes"}, sets=["cifar100:images"]), tmp_path)


@pytest.mark.parametrize("entry", ["flowers:nowhere", "clevr:nowhere", "cifar10:nowhere"])
def test_a_missing_set_to_embed_is_blamed_on_embed_sets(tmp_path, entry):
    with pytest.raises(InputError, match=r"^embed\.sets: .*nowhere"):
        prepare.main(make({"name": "scenes"}, sets=[entry]), tmp_path)
    assert list((tmp_path / "artifacts").iterdir()) == []


def test_a_size_that_scenes_cannot_have_is_named_before_anything_is_written(tmp_path):
    content = tree({"name": "scenes", "image_size": 24})
    content["masking"] |= {"num_context": 1, "target_sizes": [[1, 1]]}
    with pytest.raises(ParamsError, match=r"^data\.image_size: .*got 24"):
        prepare.main(params.Params.model_validate(content), tmp_path)
    assert contents(tmp_path) == {}


def break_files(root: Path) -> None:
    for name in ("a/1.png", "b/0.png", "b/3.png", "b/5.png"):
        (root / name).write_bytes(b"broken")


def test_more_broken_files_than_allowed_stop_it_and_leave_nothing(tmp_path, capsys):
    break_files(root := images_in(tmp_path / "images"))
    with pytest.raises(InputError, match=r"^data\.max_broken: 4 of .*, 3 may be: a/1\.png") as caught:
        prepare.main(
            make({"name": "folder", "root": str(root), "test_fraction": 0.01, "max_broken": 3}), tmp_path
        )
    assert "\n" not in str(caught.value)
    assert capsys.readouterr().err.count("broken: ") == 4
    assert list((tmp_path / "artifacts").iterdir()) == []
    assert not (tmp_path / "reports").exists()


def test_allowed_broken_files_are_named_counted_and_left_out(tmp_path, capsys):
    break_files(root := images_in(tmp_path / "images"))
    prepare.main(make({"name": "folder", "root": str(root), "max_broken": 4}), tmp_path)
    summary = json.loads((tmp_path / "reports/metrics/prepare.json").read_text())["folder"]
    assert summary["broken"] == 4
    assert summary["train"] + summary["test"] == 8
    assert "broken: b/0.png (not an image)" in capsys.readouterr().err.splitlines()


def test_a_split_without_a_readable_image_is_named(tmp_path):
    root = images_in(tmp_path / "images" / "train").parent
    images_in(root / "test", count=1)
    for name in "ab":
        (root / "test" / name / "0.png").write_bytes(b"broken")
    with pytest.raises(InputError, match=r"data\.root: none of the 2 files of folder test"):
        prepare.main(make({"name": "folder", "root": str(root), "max_broken": 9}), tmp_path)


def test_an_unreadable_archive_is_named_and_leaves_nothing(tmp_path):
    (tmp_path / "cifar-10-python.tar.gz").write_bytes(b"half an archive")
    with pytest.raises(InputError, match=r"cifar-10-python\.tar\.gz is partial or changed"):
        prepare.main(make({"name": "cifar10", "root": "."}), tmp_path)
    assert list((tmp_path / "artifacts").iterdir()) == []


def check_one_line(process: subprocess.Popen, folder: Path, status: int, *named: str) -> None:
    out, err = process.communicate(timeout=60)
    lines = err.splitlines()
    assert (process.returncode, out, len(lines)) == (status, "", 1), err
    assert lines[0].startswith("error: ")
    for part in named:
        assert part in lines[0]
    assert not list((folder / "artifacts").glob("*"))
    assert not list((folder / "artifacts").glob(".*"))


def test_a_full_disk_is_one_line_and_leaves_nothing(tmp_path):
    def limit_files() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, 50_000))

    check_one_line(
        start_stage("prepare", tmp_path, tree({"name": "scenes"}), preexec_fn=limit_files),
        tmp_path,
        1,
        "the disk is full",
    )


def test_a_missing_folder_exits_with_1_and_its_name(tmp_path):
    content = tree({"name": "folder", "root": "nowhere"})
    check_one_line(start_stage("prepare", tmp_path, content), tmp_path, 1, "data.root", "nowhere")


@pytest.mark.parametrize(
    ("number", "name"), [(signal.SIGINT, "Ctrl-C"), (signal.SIGTERM, "SIGTERM")], ids=["Ctrl-C", "SIGTERM"]
)
def test_a_stop_ends_the_pool_leaves_nothing_and_is_one_line(tmp_path, number, name):
    scenes = {"variant": "factors", "num_train": 10**8, "num_test": 1}
    content = tree({"name": "scenes", "scenes": scenes}, workers=2, log_seconds=1e-6)
    process = start_stage("prepare", tmp_path, content, start_new_session=True, preexec_fn=listen)
    assert process.stderr is not None
    assert process.stderr.readline().startswith("scenes train: 1,000 of")
    if number == signal.SIGINT:  # a terminal sends it to the whole group, `kill` to one process
        os.killpg(process.pid, number)
    else:
        process.send_signal(number)
    _, err = process.communicate(timeout=60)
    lines = [line for line in err.splitlines() if not line.startswith("scenes train")]
    message = f"error: stopped by {name}; nothing half-written was kept"
    assert (process.returncode, lines) == (128 + number, [message])
    assert not list((tmp_path / "artifacts").glob(".*"))


def summary_of(root: Path, **data) -> dict:
    """What prepare.json says of a folder of images."""
    prepare.main(make({"name": "folder", "root": str(root / "images")} | data), root)
    return json.loads((root / "reports/metrics/prepare.json").read_text())["folder"]


def test_what_is_left_out_is_counted_by_reason_and_said_in_one_line(tmp_path, capsys):
    for part in ("train", "test", "val"):
        images_in(tmp_path / "images" / part)
    for name in ("train/a/notes.txt", "test/b/Thumbs.db", "train/a/.hidden.png", "loose.png"):
        (tmp_path / "images" / name).write_bytes(b"x")
    (tmp_path / "images/train/a/0.png").write_bytes(b"x")
    summary = summary_of(tmp_path, max_broken=1)
    reasons = {"with_other_endings": 2, "hidden": 1, "beside_train_and_test": 13}
    assert summary["left_out"] == reasons and summary["broken"] == 1
    said = [line for line in capsys.readouterr().err.splitlines() if "left out" in line]
    assert len(said) == 1 and said[0].startswith("folder: left out: ")
    for words in ("2 with other endings", "1 hidden", "13 beside train and test", "1 broken"):
        assert words in said[0]


def test_images_that_repeat_are_counted_in_a_split_and_across(tmp_path, capsys):
    images_in(tmp_path / "images/train")
    images_in(tmp_path / "images/test", count=2)  # the same seed: its four images are those of train/a
    root = tmp_path / "images"
    (root / "train/b/again.png").write_bytes((root / "train/a/3.png").read_bytes())
    Image.open(root / "test/b/0.png").save(root / "test/b/other.bmp")  # the pixels count, not the file
    assert summary_of(tmp_path)["duplicates"] == {"train": 1, "test": 1, "test_in_train": 5}
    said = capsys.readouterr().err
    assert "5 of 5 test images are training images too" in said
    assert "test/a/0.png is train/a/0.png" in said
    assert "1 of 13 train images repeat an earlier one: train/b/again.png is train/a/3.png" in said
    assert "1 of 5 test images repeat an earlier one: test/b/other.bmp is test/b/0.png" in said


def test_a_class_without_a_training_image_is_refused_and_one_without_a_test_image_is_named(tmp_path, capsys):
    images_in(tmp_path / "images/train", classes=("a", "b", "c"))
    images_in(tmp_path / "images/test", classes=("a", "b"))
    summary_of(tmp_path)
    assert "1 of 3 classes of the label class have no test image: c" in capsys.readouterr().err
    for file in (tmp_path / "images/train/b").iterdir():
        file.write_bytes(b"broken")
    with pytest.raises(InputError, match=r"^data\.root: .*/images: no training image can be read of b"):
        summary_of(tmp_path, max_broken=6)


def test_folders_that_may_not_be_the_classes_that_were_meant_are_named(tmp_path, capsys):
    for classes in (("Train/cat", "Test/cat"), ("dog/small", "dog")):
        for name in classes:
            images_in(tmp_path / classes[0][:1] / "images" / name, classes=("",))
        summary_of(tmp_path / classes[0][:1])
    said = capsys.readouterr().err
    assert "taken for classes, no splits: Test, Train" in said
    assert "a folder inside a class is a class of its own: dog/small" in said
    for part in ("train", "test"):
        images_in(tmp_path / "cifar/images" / part, classes=("train", "tree"))
    summary_of(tmp_path / "cifar")
    assert "no splits" not in capsys.readouterr().err


def test_one_test_image_is_refused_before_anything_is_trained(tmp_path):
    images_in(tmp_path / "images/train", classes=("a",))
    images_in(tmp_path / "images/test", classes=("a",), count=1)
    with pytest.raises(InputError, match=r"^data\.root: folder has 1 test image, at least 2 are needed"):
        summary_of(tmp_path)
