"""The store: what is written is what is read, whole, and described correctly."""

import json

import numpy as np
import pandas as pd
import pytest
from conftest import default_tree, override

from pipeline.data.labels import Label
from pipeline.data.store import CELL, SplitWriter, open_set, write_meta
from pipeline.digests import seal
from pipeline.files import InputError, ParamsError
from pipeline.params import validate

LABELS = {"shape": Label("categorical", ("a", "b", "c")), "distance": Label("real", unit="pixels")}
SIZE = 8


def make_split(num_images: int, seed: int) -> tuple[np.ndarray, pd.DataFrame, dict[str, np.ndarray]]:
    rng = np.random.default_rng(seed)
    labels = {
        "shape": rng.integers(3, size=num_images).astype(np.int16),
        "distance": rng.random(num_images).astype(np.float32),
        "path": [f"{number}.png" for number in range(num_images)],
    }
    images = rng.integers(256, size=(num_images, SIZE, SIZE, 3), dtype=np.uint8)
    cells = rng.integers(256, size=(num_images, 2, 2), dtype=np.uint8)
    return images, pd.DataFrame(labels), {"object": cells}


def write(folder, parts, step=7, announced=None):
    """Write a set whose splits are `parts` = {split: (images, labels, cells)} in chunks of `step`."""
    writers = {}
    for split, (images, labels, cells) in parts.items():
        writers[split] = SplitWriter(folder / split, announced or len(images), SIZE)
        with writers[split] as writer:
            for start in range(0, len(images), step):
                rows = slice(start, start + step)
                patches = {name: values[rows] for name, values in cells.items()}
                writer.append(images[rows], labels[rows], patches)
    write_meta(folder, "made", SIZE, LABELS, writers)
    return folder


@pytest.fixture
def parts():
    return {"train": make_split(20, seed=0), "test": make_split(5, seed=1)}


def test_what_is_written_is_what_is_read(tmp_path, parts):
    image_set = open_set(write(tmp_path, parts))
    assert image_set.labels == LABELS
    assert image_set.counts == {"train": 20, "test": 5}
    for split, (images, labels, cells) in parts.items():
        read = image_set.split(split)
        assert len(read) == len(images)
        np.testing.assert_array_equal(read.images, images)
        np.testing.assert_array_equal(read.patch_labels["object"], cells["object"])
        pd.testing.assert_frame_equal(read.labels.drop(columns="id"), labels, check_dtype=False)
        assert read.labels["id"].tolist() == list(range(len(images)))


def test_labels_keep_their_compact_types_and_pixels_stay_on_disk(tmp_path, parts):
    read = open_set(write(tmp_path, parts)).split("train")
    assert [str(read.labels[name].dtype) for name in ("shape", "distance", "id")] == [
        "int16",
        "float32",
        "int32",
    ]
    assert isinstance(read.images, np.memmap)
    assert isinstance(read.patch_labels["object"], np.memmap)


def test_files_and_hash_do_not_depend_on_the_chunks(tmp_path, parts):
    small, large = write(tmp_path / "small", parts, step=3), write(tmp_path / "large", parts, step=100)
    files = sorted(path.relative_to(small) for path in small.rglob("*") if path.is_file())
    assert len(files) == 8
    for file in files:
        assert (small / file).read_bytes() == (large / file).read_bytes(), file


def test_mean_and_std_are_those_of_the_training_pixels(tmp_path, parts):
    image_set = open_set(write(tmp_path, parts))
    pixels = parts["train"][0] / 255
    np.testing.assert_allclose(image_set.mean, pixels.mean((0, 1, 2)), rtol=1e-9)
    np.testing.assert_allclose(image_set.std, pixels.std((0, 1, 2)), rtol=1e-9)


@pytest.mark.parametrize("part", ["image", "label", "cell"])
def test_one_changed_value_changes_the_hash(tmp_path, parts, part):
    before = open_set(write(tmp_path / "before", parts)).fingerprint
    images, labels, cells = parts["test"]
    if part == "image":
        images[3, 1, 2, 0] ^= 1
    elif part == "label":
        labels.loc[3, "shape"] = (labels["shape"][3] + 1) % 3
    else:
        cells["object"][3, 1, 0] ^= 1
    assert open_set(write(tmp_path / "after", parts)).fingerprint != before


def test_fewer_images_than_announced_leave_a_whole_split(tmp_path, parts):
    exact = write(tmp_path / "exact", parts)
    fewer = write(tmp_path / "fewer", parts, announced=10**9)
    images = "train/images.npy"
    assert (fewer / images).read_bytes() == (exact / images).read_bytes()


def test_an_error_while_writing_is_not_swallowed(tmp_path):
    writer = SplitWriter(tmp_path, 4, SIZE)
    writer.__enter__().append(*make_split(2, seed=0))
    error = InputError("mine")
    assert not writer.__exit__(InputError, error, error.__traceback__)


def test_a_truncated_or_missing_file_is_one_line_that_names_the_split(tmp_path, parts):
    image_set = open_set(write(tmp_path, parts))
    images = tmp_path / "train" / "images.npy"
    images.write_bytes(images.read_bytes()[:-1])
    (tmp_path / "test" / "labels.parquet").unlink()
    for split in ("train", "test"):
        with pytest.raises(InputError, match=f"{split}: not a readable split") as caught:
            image_set.split(split)
        assert "\n" not in str(caught.value)


def test_images_and_labels_of_different_length_are_refused(tmp_path, parts):
    image_set = open_set(write(tmp_path, parts))
    np.save(tmp_path / "test" / "images.npy", parts["train"][0])
    with pytest.raises(InputError, match="20 images but 5 rows"):
        image_set.split("test")


@pytest.mark.parametrize("content", ["[]", "{}", '{"labels": 3}', "{"])
def test_a_broken_description_is_an_input_error(tmp_path, content):
    (tmp_path / "meta.json").write_text(content)
    seal(tmp_path)
    with pytest.raises(InputError, match=r"meta\.json"):
        open_set(tmp_path)


@pytest.mark.parametrize("more", range(1, CELL))
def test_params_take_only_images_of_whole_cells(more):
    sizes = {"model.patch_size": CELL, "data.image_size": 8 * CELL}
    assert validate(override(default_tree(), sizes)).data.image_size == 8 * CELL
    with pytest.raises(ParamsError, match=r"^data\.image_size: must be a multiple of"):
        validate(override(default_tree(), sizes | {"data.image_size": 8 * CELL + more}))


def test_descriptions_are_json_without_machine_or_time(tmp_path, parts):
    meta = json.loads((write(tmp_path, parts) / "meta.json").read_text())
    assert set(meta) == {"name", "image_size", "labels", "counts", "mean", "std", "hash"}
