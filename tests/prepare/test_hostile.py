"""Files that would hang, fill the memory or lead elsewhere are named in one line, and not waited for."""

import gzip
import io
import json
import os
import socket
import stat
import tarfile
import zipfile
import zlib
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from conftest import default_tree
from PIL import Image

from pipeline.files import InputError
from pipeline.prepare import cifar, clevr, folder, huggingface, webdataset
from pipeline.prepare.image_file import printable
from tests.prepare.clevr_folder import scene, write_clevr
from tests.prepare.make_request import make_request

SIZE = 16
MOST = default_tree()["data"]["max_pixels"]


def png(size=(SIZE, SIZE)) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", size, "red").save(file, "png")
    return file.getvalue()


def refused(source, request) -> str:
    with pytest.raises(InputError) as caught:
        source(request)
    message = str(caught.value)
    assert message.startswith("data.root: ") and "\n" not in message
    return message


def broken(root: Path, *names: str, max_pixels: int = MOST) -> list[str]:
    return list(folder.decode(root, [(name, 0) for name in names], SIZE, max_pixels).broken)


def test_pipes_sockets_and_devices_are_broken_files_and_are_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe.png")
    (tmp_path / "device.png").symlink_to("/dev/zero")
    (tmp_path / "folder.png").mkdir()
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "socket.png"))
        names = ["pipe.png", "device.png", "folder.png", "socket.png"]
        assert broken(tmp_path, *names) == [f"{name} (not a regular file)" for name in names]


def test_links_are_followed_and_those_that_lead_nowhere_are_broken(tmp_path):
    (tmp_path / "outside.png").write_bytes(png())
    (tmp_path / "root").mkdir()
    for name, target in (("good", "../outside.png"), ("gone", "nowhere.png"), ("itself", "itself.png")):
        (tmp_path / f"root/{name}.png").symlink_to(target)
    assert folder.scan(tmp_path / "root", "data.root").images == {"": ["gone.png", "good.png", "itself.png"]}
    assert broken(tmp_path / "root", "good.png", "gone.png", "itself.png") == [
        "gone.png (No such file or directory)",
        "itself.png (Too many levels of symbolic links)",
    ]


def test_folders_that_link_to_each_other_are_refused(tmp_path):
    for one, other in (("a", "b"), ("b", "a")):
        (tmp_path / one).mkdir()
        (tmp_path / one / "0.png").write_bytes(png())
        (tmp_path / one / "loop").symlink_to(tmp_path / other)
    assert "links to a folder that holds it" in refused(folder.source, make_request("folder", tmp_path, SIZE))


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_folder_and_a_file_that_may_not_be_read_are_named(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "a/0.png").write_bytes(png())
    (tmp_path / "a/0.png").chmod(0)
    assert broken(tmp_path, "a/0.png") == ["a/0.png (Permission denied)"]
    (tmp_path / "a").chmod(0)
    try:
        message = refused(folder.source, make_request("folder", tmp_path, SIZE))
    finally:
        (tmp_path / "a").chmod(stat.S_IRWXU)
    assert message.endswith("a: Permission denied")


def test_empty_files_other_formats_and_too_many_pixels_are_broken(tmp_path, recwarn, capfd):
    (tmp_path / "empty.jpg").write_bytes(b"")
    Image.new("RGB", (SIZE, SIZE)).save(tmp_path / "script.eps")  # Pillow would start Ghostscript
    (tmp_path / "script.eps").rename(tmp_path / "script.png")
    (tmp_path / "large.png").write_bytes(png((40, 50)))
    names = ("empty.jpg", "script.png", "large.png")
    expected = ["empty.jpg (not an image)", "script.png (not an image)"]
    assert broken(tmp_path, *names) == expected
    assert broken(tmp_path, *names, max_pixels=2000) == expected
    for limit in (1999, 10):
        assert broken(tmp_path, *names, max_pixels=limit) == [
            *expected,
            "large.png (more pixels than data.max_pixels)",
        ]
    assert not recwarn.list and capfd.readouterr().err == ""


def test_a_small_file_of_very_many_pixels_is_not_unpacked(tmp_path):
    header = bytearray(png())
    header[16:24] = (60_000).to_bytes(4, "big") * 2  # width and height of IHDR; Pillow checks its sum later
    header[29:33] = zlib.crc32(header[12:29]).to_bytes(4, "big")
    (tmp_path / "bomb.png").write_bytes(header)
    assert broken(tmp_path, "bomb.png") == ["bomb.png (more pixels than data.max_pixels)"]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("new\nline\x07", r"new\nline\x07"),
        (os.fsdecode(b"caf\xe9"), r"caf\xe9"),
        ("\ud800", r"\ud800"),
        ("\u202eabc\u2028", r"\u202eabc\u2028"),
        ("é猫😀 =-'<&\\", "é猫😀 =-'<&\\"),
    ],
)
def test_a_name_is_shown_as_one_line_of_text_that_every_file_can_hold(name, text):
    assert printable(name) == text
    printable(name).encode()


def shard(path: Path, *members: tuple[tarfile.TarInfo, bytes], mode: str = "w") -> Path:
    with tarfile.open(path, mode) as archive:  # pyright: ignore
        for member, content in members:
            archive.addfile(member, io.BytesIO(content))
    return path


def member(name: str, content: bytes, **fields) -> tuple[tarfile.TarInfo, bytes]:
    info = tarfile.TarInfo(name)
    info.size = len(content)
    for key, value in fields.items():
        setattr(info, key, value)
    return info, content


def test_members_of_a_shard_are_written_nowhere_and_links_are_left_out(tmp_path):
    pytest.importorskip("webdataset")
    samples = [member(f"../../out{at}.png", png()) for at in range(4)]
    link = member("link.png", b"", type=tarfile.SYMTYPE, linkname="/etc/passwd")
    path = shard(tmp_path / "a.tar", *samples, link, member("/abs.png", png()))
    request = make_request("webdataset", path, SIZE)
    images = webdataset.source(request)
    chunks = [images.make(*task) for split in ("train", "test") for task in images.tasks(split)]
    assert sum(len(chunk.images) for chunk in chunks) == 5
    assert list(tmp_path.iterdir()) == [path] and not list(tmp_path.parent.glob("out*"))


def test_shards_that_unpack_to_more_than_an_image_are_refused(tmp_path):
    pytest.importorskip("webdataset")
    zeros = member("zeros.png", bytes(3_000_000))
    request = make_request("webdataset", tmp_path, SIZE, max_pixels=1000)
    shard(tmp_path / "a.tar", zeros, mode="w:gz")
    assert (tmp_path / "a.tar").stat().st_size < 10_000
    assert "zeros.png has 3,000,000 bytes, an image of data.max_pixels at most" in refused(
        webdataset.source, request
    )
    os.unlink(tmp_path / "a.tar")
    os.mkfifo(tmp_path / "a.tar")
    assert refused(webdataset.source, request).endswith("a.tar: not a regular file")
    os.unlink(tmp_path / "a.tar")
    (tmp_path / "a.tar").write_bytes(gzip.compress(b"no archive"))
    assert "not WebDataset shards" in refused(webdataset.source, request)


def test_a_name_that_looks_like_a_command_is_a_file(tmp_path, monkeypatch):
    pytest.importorskip("webdataset")
    monkeypatch.chdir(tmp_path)
    samples = [member(f"{at}.png", png()) for at in range(4)]
    shard(Path("pipe:touch made #.tar"), *samples)
    images = webdataset.source(make_request("webdataset", Path("pipe:touch made #.tar"), SIZE))
    assert sum(images.counts.values()) == 4
    assert not Path("made").exists()


def test_an_archive_of_cifar_that_is_another_one_is_not_unpacked(tmp_path):
    archive = tmp_path / "cifar-10-python.tar.gz"
    shard(archive, member("../out.txt", b"x"), mode="w:gz")
    message = refused(cifar.source, make_request("cifar10", tmp_path, 32, tmp_path / "downloads"))
    assert "is partial or changed" in message
    assert not (tmp_path.parent / "out.txt").exists() and not (tmp_path / "downloads").exists()


def test_clevr_reads_no_pipe_no_archive_and_no_image_elsewhere(tmp_path):
    root = write_clevr(tmp_path / "CLEVR_v1.0")
    scenes = root / "scenes/CLEVR_val_scenes.json"
    for name in ("../../../secret.png", "/etc/passwd"):
        content = scene("val", 0, [9.0] * 3) | {"image_filename": name}
        scenes.write_text(json.dumps({"scenes": [content]}))
        assert "lies in another folder" in refused(clevr.source, make_request("clevr", root, 32))
    scenes.write_text("[" * 100_000)
    assert "not CLEVR's scenes" in refused(clevr.source, make_request("clevr", root, 32))
    scenes.unlink()
    os.mkfifo(scenes)
    assert refused(clevr.source, make_request("clevr", root, 32)).endswith("not a regular file")
    with zipfile.ZipFile(tmp_path / "CLEVR_v1.0.zip", "w") as archive:
        archive.writestr("../out.txt", "x")
    message = refused(clevr.source, make_request("clevr", tmp_path / "CLEVR_v1.0.zip", 32))
    assert "a CLEVR_v1.0 folder is needed" in message


def test_tables_that_are_empty_or_of_another_shape_are_refused(tmp_path):
    datasets = pytest.importorskip("datasets")

    def message(path: Path) -> str:
        return refused(huggingface.source, make_request("huggingface", path, SIZE, tmp_path / "downloads"))

    (tmp_path / "empty.parquet").write_bytes(b"")
    assert "empty.parquet: not a data set of Hugging Face" in message(tmp_path / "empty.parquet")
    pd.DataFrame({"image": [{"bytes": 1, "path": 2}]}).to_parquet(tmp_path / "numbers.parquet")
    assert "numbers.parquet: " in message(tmp_path / "numbers.parquet")
    pd.DataFrame({"image": [b"x"]}).iloc[:0].to_parquet(tmp_path / "rows.parquet")
    assert "rows.parquet" in message(tmp_path / "rows.parquet")
    os.mkfifo(tmp_path / "pipe.parquet")
    assert message(tmp_path / "pipe.parquet").endswith("pipe.parquet: not a regular file")
    features = datasets.Features({"image": datasets.Image(), "id": datasets.ClassLabel(names=["a"])})
    images = [Image.fromarray(np.zeros((8, 8, 3), np.uint8))] * 2
    taken = datasets.Dataset.from_dict({"image": images, "id": [0, 0]}, features=features)
    taken.save_to_disk(str(tmp_path / "taken"))
    assert "the labels id need another name" in message(tmp_path / "taken")


def test_rows_without_an_image_or_a_class_are_broken_and_unlabelled(tmp_path):
    datasets = pytest.importorskip("datasets")
    features = datasets.Features({"image": datasets.Image(), "label": datasets.ClassLabel(names=["a", "b"])})
    images = [Image.fromarray(np.full((8, 8, 3), at, np.uint8)) for at in range(6)]
    rows = {"image": [*images, None, None], "label": [0, 0, 1, 1, None, None, 0, 1]}
    datasets.Dataset.from_dict(rows, features=features).save_to_disk(str(tmp_path / "set"))
    source = huggingface.source(make_request("huggingface", tmp_path / "set", SIZE, tmp_path / "downloads"))
    chunks = [source.make(*task) for split in ("train", "test") for task in source.tasks(split)]
    assert sum(len(chunk.broken) for chunk in chunks) == 2
    labels = sorted(number for chunk in chunks for number in chunk.labels["label"].tolist())
    assert labels == [-1, -1, 0, 0, 1, 1]
