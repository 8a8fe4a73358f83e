"""CIFAR in class folders: the official numbers of classes and superclasses, and every mistake in one line."""

import csv
import shutil
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pipeline.files import InputError
from pipeline.prepare.cifar_classes import CIFAR10_CLASSES, COARSE_CLASSES, FINE_CLASSES, SUPERCLASSES
from pipeline.prepare.cifar_folder import COARSE_OF_FINE
from pipeline.prepare.sources import open_source
from tests.prepare.make_request import make_request

TABLE = Path(__file__).parents[3] / "shared/data/cifar100-superclasses.csv"
CLASSES = {"cifar10": CIFAR10_CLASSES, "cifar100": FINE_CLASSES}
OFFICIAL_COARSE = (  # of fine classes 0 to 99, as the archive's batches pair both labels
    *(4, 1, 14, 8, 0, 6, 7, 7, 18, 3, 3, 14, 9, 18, 7, 11, 3, 9, 7, 11, 6, 11, 5, 10, 7),
    *(6, 13, 15, 3, 15, 0, 11, 1, 10, 12, 14, 16, 9, 11, 5, 5, 19, 8, 8, 15, 13, 14, 17, 18, 10),
    *(16, 4, 17, 4, 2, 0, 17, 4, 18, 17, 10, 3, 2, 12, 12, 16, 12, 1, 9, 19, 2, 10, 0, 1, 16),
    *(12, 9, 13, 15, 13, 16, 19, 2, 4, 6, 19, 5, 5, 8, 19, 18, 1, 2, 15, 6, 0, 17, 8, 14, 13),
)


def plant(root: Path, name: str) -> Path:
    """Two training images and one test image of each class, all of whose pixels are the class's number."""
    for split, count in (("train", 2), ("test", 1)):
        for number, spelled in enumerate(CLASSES[name]):
            folder = root / split / spelled
            folder.mkdir(parents=True)
            for copy in range(count):
                Image.new("RGB", (32, 32), (number,) * 3).save(folder / f"{copy}.png")
    return root


def source(name: str, root: Path, **changes):
    return open_source(make_request(name, root, 32, root / "downloads", **changes))


def read(images, split):
    """Class number that the pixels show, labels, and names of broken files, of a split in order."""
    chunks = [images.make(*task) for task in images.tasks(split)]
    shown = np.concatenate([chunk.images for chunk in chunks])[:, 0, 0, 0]
    labels = {name: np.concatenate([chunk.labels[name] for chunk in chunks]) for name in images.labels}
    return shown, labels, [line for chunk in chunks for line in chunk.broken]


def refused(name: str, root: Path) -> str:
    with pytest.raises(InputError) as caught:
        source(name, root)
    message = str(caught.value)
    assert message.startswith(f"data.root: {root}") and "\n" not in message
    return message


@pytest.fixture
def cifar100(tmp_path):
    return plant(tmp_path / "cifar100", "cifar100")


@pytest.fixture
def cifar10(tmp_path):
    return plant(tmp_path / "cifar10", "cifar10")


def test_each_of_20_superclasses_has_five_classes_and_the_official_number():
    assert Counter(map(len, SUPERCLASSES.values())) == {5: 20}
    assert len(set(FINE_CLASSES)) == 100
    assert tuple(COARSE_OF_FINE) == OFFICIAL_COARSE
    assert list(FINE_CLASSES) == sorted(FINE_CLASSES) and list(COARSE_CLASSES) == sorted(COARSE_CLASSES)


@pytest.mark.skipif(not TABLE.is_file(), reason=f"{TABLE} is not on this machine")
def test_superclasses_are_those_of_the_shared_table():
    with TABLE.open(newline="") as file:
        table = {row["fine"]: row["coarse"] for row in csv.DictReader(file)}
    assert table == {fine: coarse for coarse, classes in SUPERCLASSES.items() for fine in classes}


def test_an_image_of_cifar100_has_the_official_numbers_of_its_class_and_superclass(cifar100):
    images = source("cifar100", cifar100)
    assert images.labels["fine"].classes == FINE_CLASSES
    assert images.labels["coarse"].classes == COARSE_CLASSES
    assert images.counts == {"train": 200, "test": 100}
    for split, count in images.counts.items():
        shown, labels, broken = read(images, split)
        assert len(shown) == count and broken == []
        np.testing.assert_array_equal(labels["fine"], shown)
        np.testing.assert_array_equal(labels["coarse"], np.array(OFFICIAL_COARSE)[shown])


def test_an_image_of_cifar10_has_the_official_number_of_its_class(cifar10):
    images = source("cifar10", cifar10)
    assert list(images.labels) == ["class"] and images.labels["class"].classes == CIFAR10_CLASSES
    shown, labels, _ = read(images, "train")
    assert len(shown) == 20
    np.testing.assert_array_equal(labels["class"], shown)


@pytest.mark.parametrize("mark", [" ", "-"])
def test_names_may_have_spaces_or_hyphens_where_the_archive_has_underscores(cifar100, mark):
    for split in ("train", "test"):
        for spelled in FINE_CLASSES:
            other = spelled.replace("_", mark)
            (cifar100 / split / spelled).rename(cifar100 / split / other)
    assert (cifar100 / "train" / f"maple{mark}tree").is_dir()
    images = source("cifar100", cifar100)
    shown, labels, _ = read(images, "test")
    np.testing.assert_array_equal(labels["fine"], shown)
    assert images.labels["fine"].classes == FINE_CLASSES


def test_broken_and_other_files_are_left_out_as_of_any_folder(cifar100):
    (cifar100 / "train/bear/0.png").write_text("no image")
    (cifar100 / "train/bear/notes.txt").write_text("")
    (cifar100 / "test/.hidden.png").write_text("")
    images = source("cifar100", cifar100)
    shown, labels, broken = read(images, "train")
    assert broken == ["train/bear/0.png (not an image)"] and len(shown) == 199
    np.testing.assert_array_equal(labels["fine"], shown)
    np.testing.assert_array_equal(labels["coarse"], np.array(OFFICIAL_COARSE)[shown])
    assert images.left_out == {"hidden": 1, "with_other_endings": 1}
    assert images.every_class


def test_images_have_no_label_where_folders_are_no_classes(cifar100):
    images = source("cifar100", cifar100, class_folders=False)
    assert images.labels == {} and images.counts == {"train": 200, "test": 100}


@pytest.mark.parametrize("name", ["cifar10", "cifar100"])
@pytest.mark.parametrize(
    ("gone", "message"),
    [
        ("test", "/test: no such folder; "),
        ("train", "/train: no such folder; "),
        ("train/{0} test/{0}", "/train: no folder of {name}'s class {0}"),
        ("test/{1}", "/test: no folder of {name}'s class {1}"),
        ("train/{1}", ": the test folder has classes that train/ lacks: {1}"),
    ],
)
def test_a_missing_folder_is_named(tmp_path, name, gone, message):
    root = plant(tmp_path, name)
    first, last = CLASSES[name][0], CLASSES[name][-1]
    for path in gone.format(first, last).split():
        shutil.rmtree(root / path)
    assert message.format(first, last, name=name) in refused(name, root)


def test_a_folder_that_is_no_class_is_named(cifar100, cifar10):
    shutil.copytree(cifar100 / "test/apple", cifar100 / "test/aple")
    assert "the test folder has classes that train/ lacks: aple" in refused("cifar100", cifar100)
    shutil.copytree(cifar100 / "train/apple", cifar100 / "train/aple")
    assert "/train: cifar100 has no class aple" in refused("cifar100", cifar100)
    (cifar10 / "train/cat").rename(cifar10 / "train/dog/cat")
    (cifar10 / "test/cat").rename(cifar10 / "test/dog/cat")
    assert "/train: cifar10 has no class dog/cat" in refused("cifar10", cifar10)


def test_images_in_no_class_folder_and_a_class_without_images_are_named(tmp_path, cifar100):
    for split in ("train", "test"):
        (tmp_path / split).mkdir()
        Image.new("RGB", (32, 32)).save(tmp_path / split / "0.png")
    assert "/train: images lie in no class folder, such as apple/" in refused("cifar100", tmp_path)
    (cifar100 / "train/apple/0.png").unlink()
    (cifar100 / "train/apple/1.png").unlink()
    with pytest.raises(InputError, match=rf"^data\.root: class {cifar100}/train/apple has no \.jpg"):
        source("cifar100", cifar100)


@pytest.mark.parametrize("official", ["cifar-100-python.tar.gz", "cifar-100-python/train", "meta"])
def test_what_is_there_of_the_archive_comes_before_class_folders(cifar100, official):
    (cifar100 / official).parent.mkdir(exist_ok=True)
    (cifar100 / official).write_bytes(b"half of it")
    assert "partial or changed" in refused("cifar100", cifar100)
