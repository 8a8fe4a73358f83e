"""A folder of images: classes, order, split, pixels, and every mistake named in one line."""

from pathlib import Path

import numpy as np
import pytest
from conftest import default_tree
from PIL import Image

from pipeline.files import InputError
from pipeline.prepare import folder
from pipeline.prepare.image_file import ENDINGS
from tests.prepare.make_request import make_request

RED = (255, 0, 0)


def save(path: Path, colour=RED, size=(16, 16), mode="RGB", **options) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size, colour).convert(mode).save(path, **options)
    return path


def source(root, test_fraction=0.25, seed=0):
    return folder.source(make_request("folder", root, 16, test_fraction=test_fraction, seed=seed))


def files(root, split, **options):
    """(path, class name) of each image of a split, in order."""
    images = source(root, **options)
    classes = images.labels["class"].classes if images.labels else [None]
    return [(path, classes[number]) for task in images.tasks(split) for path, number in task[1]]


def decode(root, names, size):
    return folder.decode(root, names, size, default_tree()["data"]["max_pixels"])


@pytest.fixture
def flat(tmp_path):
    for name, count in (("cat", 8), ("ant", 4), ("bee", 20)):
        for number in range(count):
            save(tmp_path / name / f"{number:02}.png")
    return tmp_path


def test_train_and_test_folders_are_kept_and_ordered_by_path(tmp_path):
    for path in ("train/b/2.png", "train/b/10.png", "train/a/x.png", "test/b/0.png"):
        save(tmp_path / path)
    assert source(tmp_path).labels["class"].classes == ("a", "b")
    assert files(tmp_path, "train") == [
        ("train/a/x.png", "a"),
        ("train/b/10.png", "b"),
        ("train/b/2.png", "b"),
    ]
    assert files(tmp_path, "test") == [("test/b/0.png", "b")]


def test_a_split_takes_the_same_share_of_every_class_and_loses_nothing(flat):
    train, test = files(flat, "train"), files(flat, "test")
    names = [name for _, name in test]
    assert {name: names.count(name) for name in names} == {"ant": 1, "bee": 5, "cat": 2}
    assert not set(train) & set(test)
    assert len(train) + len(test) == 32
    assert train == sorted(train)
    assert test == sorted(test)


def test_a_split_depends_on_its_seed_only(flat):
    assert files(flat, "test", seed=3) == files(flat, "test", seed=3)
    assert files(flat, "test", seed=3) != files(flat, "test", seed=4)


def test_every_class_keeps_an_image_on_both_sides_of_a_split(flat):
    for fraction in (0.01, 0.99):
        for split in ("train", "test"):
            assert {name for _, name in files(flat, split, test_fraction=fraction)} == {"ant", "bee", "cat"}


def test_endings_of_any_case_are_read_hidden_files_skipped_and_others_counted(tmp_path, capsys):
    for name in ("a.JPG", "b.jpeg", "c.Png", "d.webp"):
        for part in ("train", "test"):
            save(tmp_path / part / "x" / name)
    for name in (".hidden.png", "notes.txt", "Thumbs.db"):
        (tmp_path / "train" / "x" / name).write_text("")
    assert [path for path, _ in files(tmp_path, "train")] == [
        f"train/x/{name}" for name in ("a.JPG", "b.jpeg", "c.Png", "d.webp")
    ]
    assert source(tmp_path).left_out == {"hidden": 1, "with_other_endings": 2}
    assert "all images are of one class, so they have no label" in capsys.readouterr().err


def test_a_file_of_the_right_size_keeps_its_pixels(tmp_path):
    pixels = np.random.default_rng(0).integers(256, size=(16, 16, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / "a.png")
    np.testing.assert_array_equal(decode(tmp_path, [("a.png", 0)], 16).images[0], pixels)


@pytest.mark.parametrize("size", [(64, 24), (24, 64)])
def test_the_shorter_side_is_scaled_and_the_centre_kept(tmp_path, size):
    pixels = np.random.default_rng(0).integers(256, size=(*size[::-1], 3), dtype=np.uint8)
    image = Image.fromarray(pixels)
    image.save(tmp_path / "a.png")
    scaled = image.resize((size[0] // 2, size[1] // 2), Image.Resampling.BICUBIC)
    left, top = ((side - 12) // 2 for side in scaled.size)
    expected = np.asarray(scaled.crop((left, top, left + 12, top + 12))).astype(int)
    image = decode(tmp_path, [("a.png", 0)], 12).images[0]
    assert np.abs(image - expected).max() <= 1


def test_skipping_detail_of_a_large_jpeg_changes_it_by_a_few_levels_at_most(tmp_path):
    rng = np.random.default_rng(0)
    coarse = Image.fromarray(rng.integers(256, size=(12, 12, 3), dtype=np.uint8))
    coarse.resize((600, 600), Image.Resampling.BICUBIC).save(tmp_path / "a.jpg", quality=95)
    with Image.open(tmp_path / "a.jpg") as image:
        image.convert("RGB").save(tmp_path / "a.png")
    fast, slow = decode(tmp_path, [("a.jpg", 0), ("a.png", 0)], 32).images.astype(int)
    assert np.abs(fast - slow).max() <= 8


@pytest.mark.parametrize(
    ("name", "mode"), [("a.png", "P"), ("a.png", "L"), ("a.png", "RGBA"), ("a.jpg", "CMYK"), ("a.png", "1")]
)
def test_other_modes_become_rgb(tmp_path, name, mode):
    save(tmp_path / name, (255, 255, 255), mode=mode)
    chunk = decode(tmp_path, [(name, 5)], 16)
    assert chunk.images.shape == (1, 16, 16, 3)
    assert chunk.images.min() >= 250
    assert chunk.labels["class"].tolist() == [5]


def test_broken_files_are_named_and_left_out_and_the_rest_keeps_its_order(tmp_path):
    whole = save(tmp_path / "whole.png")
    (tmp_path / "half.png").write_bytes(whole.read_bytes()[:40])
    jpeg = save(tmp_path / "whole.jpg", RED, size=(64, 64)).read_bytes()
    (tmp_path / "half.jpg").write_bytes(jpeg[: len(jpeg) // 2])
    (tmp_path / "text.png").write_text("no image")
    Image.fromarray(np.zeros((16, 16), np.float32)).save(tmp_path / "deep.tif")
    names = ["half.png", "whole.png", "text.png", "half.jpg", "gone.png", "whole.jpg", "deep.tif"]
    chunk = decode(tmp_path, [(name, number) for number, name in enumerate(names)], 16)
    assert chunk.paths == ["whole.png", "whole.jpg"]
    assert chunk.labels["class"].tolist() == [1, 5]
    assert [line.split(" (")[0] for line in chunk.broken] == [
        "half.png",
        "text.png",
        "half.jpg",
        "gone.png",
        "deep.tif",
    ]
    assert chunk.broken[1] == "text.png (not an image)"
    assert not any("\n" in line for line in chunk.broken)


def test_images_in_no_folder_have_no_label_and_are_split_as_one_class(tmp_path):
    for number in range(8):
        save(tmp_path / f"{number}.png")
    assert source(tmp_path).labels == {}
    train, test = files(tmp_path, "train"), files(tmp_path, "test")
    assert (len(train), len(test)) == (6, 2)
    assert sorted(train + test) == [(f"{number}.png", None) for number in range(8)]


@pytest.mark.parametrize("folder", ["val", "valid"])
def test_a_folder_val_is_tested_on_where_there_is_no_folder_test(tmp_path, folder):
    for path in ("train/b/0.png", "train/a/0.png", f"{folder}/b/1.png"):
        save(tmp_path / path)
    assert files(tmp_path, "test") == [(f"{folder}/b/1.png", "b")]
    for name in ("a", "b"):
        save(tmp_path / "test" / name / "2.png")
    assert [path for path, _ in files(tmp_path, "test")] == ["test/a/2.png", "test/b/2.png"]


def test_a_nested_folder_of_images_is_a_class_named_by_its_path(tmp_path):
    for path in (
        "pet/cat/0.png",
        "pet/cat/1.png",
        "pet/dog/0.png",
        "pet/dog/1.png",
        "car/0.png",
        "car/1.png",
    ):
        save(tmp_path / path)
    assert source(tmp_path, test_fraction=0.5).labels["class"].classes == ("car", "pet/cat", "pet/dog")
    for split in ("train", "test"):
        assert all(path.rpartition("/")[0] == name for path, name in files(tmp_path, split))


def test_folders_that_are_no_classes_leave_images_without_labels(tmp_path):
    for path in ("2024/a.png", "2024/may/b.png", "2025/c.png", "d.png"):
        save(tmp_path / path)
    request = make_request("folder", tmp_path, 16, test_fraction=0.25, class_folders=False)
    images = folder.source(request)
    read = [path for split in ("train", "test") for task in images.tasks(split) for path, _ in task[1]]
    assert images.labels == {} and images.counts == {"train": 3, "test": 1}
    assert sorted(read) == ["2024/a.png", "2024/may/b.png", "2025/c.png", "d.png"]


def test_one_class_is_no_label(tmp_path, capsys):
    for number in range(4):
        save(tmp_path / "only" / f"{number}.png")
    assert source(tmp_path).labels == {}
    assert "one class, so they have no label" in capsys.readouterr().err


def test_a_link_to_a_folder_above_is_refused_and_one_beside_is_followed(tmp_path):
    for number in range(2):
        save(tmp_path / "elsewhere" / f"{number}.png")
        save(tmp_path / "root" / "a" / f"{number}.png")
    (tmp_path / "root" / "b").symlink_to(tmp_path / "elsewhere")
    assert source(tmp_path / "root").labels["class"].classes == ("a", "b")
    (tmp_path / "root" / "a" / "loop").symlink_to(tmp_path / "root")
    with pytest.raises(InputError, match=r"a/loop links to a folder that holds it"):
        source(tmp_path / "root")


@pytest.mark.parametrize("ending", ENDINGS)
def test_every_ending_is_read(tmp_path, ending):
    save(tmp_path / f"a{ending}", (255, 255, 255))
    assert decode(tmp_path, [(f"a{ending}", 0)], 16).images.min() >= 250


def test_transparency_is_dropped_and_the_colour_under_it_counts(tmp_path):
    Image.new("RGBA", (16, 16), (*RED, 0)).save(tmp_path / "clear.png")
    palette = Image.new("P", (16, 16), 1)
    palette.putpalette([0, 0, 0, *RED])
    palette.save(tmp_path / "palette.png", transparency=1)
    chunk = decode(tmp_path, [("clear.png", 0), ("palette.png", 0)], 16)
    assert (chunk.images == RED).all()


def test_an_orientation_of_exif_is_not_applied(tmp_path):
    pixels = np.zeros((16, 16, 3), np.uint8)
    pixels[:8] = 255
    exif = Image.Exif()
    exif[0x0112] = 6  # turn by a quarter to show it
    Image.fromarray(pixels).save(tmp_path / "turned.png", exif=exif)
    np.testing.assert_array_equal(decode(tmp_path, [("turned.png", 0)], 16).images[0], pixels)


@pytest.mark.parametrize("name", ["a.gif", "a.webp", "a.tif"])
def test_the_first_picture_of_several_is_read(tmp_path, name):
    frames = [Image.new("RGB", (16, 16), colour) for colour in ("white", "black")]
    frames[0].save(tmp_path / name, save_all=True, append_images=frames[1:])
    assert decode(tmp_path, [(name, 0)], 16).images.min() >= 250


@pytest.mark.parametrize("name", ["a.png", "a.tif"])
def test_of_16_bits_the_upper_8_are_kept(tmp_path, name):
    levels = np.arange(256, dtype=np.uint16).reshape(16, 16)
    Image.fromarray(levels * 256 + 255).save(tmp_path / name)
    image = decode(tmp_path, [(name, 0)], 16).images[0]
    np.testing.assert_array_equal(image, np.repeat(levels[..., None], 3, 2))


@pytest.mark.parametrize(
    ("paths", "message"),
    [
        ([], r"has no \.jpg"),
        (["a.png"], "has one image"),
        (["a/0.png", "b/0.png", "0.png"], r"images beside its classes \(0\.png beside a/\)"),
        (["train/a/0.png", "train/b/0.png", "val/0.png"], "train/ alone has folders of classes"),
        (["train/a/0.png"], "has train/ and needs both"),
        (["test/a/0.png"], "has test/ and needs both"),
        (["train/a/0.png", "test/"], r"test has no \.jpg"),
        (["train/a/0.png", "test/a/0.png", "test/b/0.png"], "has classes that train/ lacks: b"),
        (["train/a/0.png", "train/c/", "test/a/0.png"], r"class .*/train/c has no \.jpg"),
        (["a/0.png", "a/1.png", "b/0.txt"], r"class .*/b has no \.jpg"),
        (["a/0.png", "a/1.png", "b/0.png"], "class .*/b has one image"),
    ],
)
def test_each_mistake_is_one_line_that_names_the_param_and_the_folder(tmp_path, paths, message):
    for path in paths:
        if path.endswith("/"):
            (tmp_path / path).mkdir(parents=True)
        else:
            save((tmp_path / path).with_suffix(".png")).rename(tmp_path / path)
    with pytest.raises(InputError, match=message) as caught:
        source(tmp_path)
    assert str(caught.value).startswith("data.root: ")
    assert str(tmp_path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_missing_root_is_named(tmp_path):
    with pytest.raises(InputError, match=r"data\.root: .*nowhere: No such file"):
        source(tmp_path / "nowhere")
