"""Damaged image files: each is read or named as broken in one line; none hangs, warns or ends the stage."""

import random
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import yaml
from conftest import REPOSITORY, default_tree
from PIL import Image

from pipeline.prepare import folder
from pipeline.prepare.image_file import ENDINGS

SIZE = 16
MOST = default_tree()["data"]["max_pixels"]
PIXELS = np.random.default_rng(0).integers(256, size=(40, 50, 3), dtype=np.uint8)
OPTIONS: dict[str, list[dict[str, object]]] = {  # ways to write a format
    ".jpg": [{}, {"progressive": True}],
    ".jpeg": [{"quality": 20}],
    ".png": [{}, {"compress_level": 0}],
    ".webp": [{}, {"lossless": True}],
    ".bmp": [{}],
    ".tif": [{"compression": name} for name in (None, "tiff_lzw", "tiff_deflate", "jpeg", "packbits")],
    ".tiff": [{}],
    ".gif": [{}],
}
Damage = Callable[[bytearray, random.Random], bytes]


def flip(content: bytearray, draw: random.Random) -> bytes:
    for _ in range(draw.choice([1, 3, 30])):
        content[draw.randrange(len(content))] ^= 1 << draw.randrange(8)
    return bytes(content)


def flip_in_header(content: bytearray, draw: random.Random) -> bytes:
    content[draw.randrange(min(100, len(content)))] = draw.choice([0, 127, 128, 255])
    return bytes(content)


def cut(content: bytearray, draw: random.Random) -> bytes:
    return bytes(content[: draw.randrange(len(content))])


def zero(content: bytearray, draw: random.Random) -> bytes:
    start = draw.randrange(len(content))
    end = min(len(content), start + draw.choice([4, 40, 400]))
    content[start:end] = bytes(end - start)
    return bytes(content)


def drop(content: bytearray, draw: random.Random) -> bytes:
    start = draw.randrange(len(content))
    return bytes(content[:start] + content[start + draw.choice([1, 2, 50]) :])


DAMAGES: list[Damage] = [flip, flip_in_header, cut, zero, drop]


def images() -> Iterator[tuple[str, bytes]]:
    """Ending and content of a small image in every form."""
    for ending, ways in OPTIONS.items():
        for options in ways:
            with tempfile.NamedTemporaryFile(suffix=ending) as file:
                Image.fromarray(PIXELS).save(file.name, **options)
                yield ending, Path(file.name).read_bytes()


def write_damaged(root: Path, each: int) -> list[str]:
    """`each` copies of every form with every damage, and under every wrong ending; their names."""
    draw, names = random.Random(0), []
    for form, (ending, content) in enumerate(images()):
        for damage in DAMAGES:
            for number in range(each):
                names.append(f"{form}-{damage.__name__}-{number}{ending}")
                (root / names[-1]).write_bytes(damage(bytearray(content), draw))
        for wrong in ENDINGS:
            names.append(f"{form}-wrong{wrong}")
            (root / names[-1]).write_bytes(content)
    return names


@pytest.mark.slow
def test_each_damaged_file_is_read_or_named_and_nothing_else_is_said(tmp_path, capfd):
    names = write_damaged(tmp_path, each=20)
    chunk = folder.decode(tmp_path, [(name, 0) for name in names], SIZE, MOST)
    said = capfd.readouterr()
    assert said.out == said.err == ""
    assert chunk.images.shape == (len(chunk.paths or []), SIZE, SIZE, 3)
    broken = [line.split(" (")[0] for line in chunk.broken]
    assert sorted([*(chunk.paths or []), *broken]) == sorted(names)
    assert not any("\n" in line for line in chunk.broken)
    wrong = [name for name in names if "-wrong" in name]
    assert set(wrong) <= set(chunk.paths or [])  # the content counts, not the ending
    assert len(names) > 1000 and len(broken) > 300
    kinds = Counter(name.split("-")[1].split(".")[0] for name in broken)
    assert set(kinds) >= {damage.__name__ for damage in DAMAGES}
    print(f"{len(names)} files, {len(broken)} broken: {dict(kinds)}")


@pytest.mark.slow
def test_a_folder_of_damaged_files_goes_through_the_stage(tmp_path):
    """In processes of its own, where nothing but the stage writes to stderr."""
    (tmp_path / "images").mkdir()
    names = write_damaged(tmp_path / "images", each=1)
    assert len(names) >= 150
    changes = {"name": "folder", "root": str(tmp_path / "images"), "max_broken": len(names)}
    tree = default_tree()
    tree["data"] |= changes
    tree["runtime"] |= {"workers": 2}
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(tree))
    done = subprocess.run(
        [sys.executable, "-m", "stages.prepare"],
        cwd=tmp_path,
        env={"PYTHONPATH": str(REPOSITORY), "PATH": ""},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    lines = done.stderr.splitlines()
    assert all(line.startswith(("broken: ", "folder: ")) for line in lines), done.stderr
    assert "broken" in lines[-1] or any("left out:" in line for line in lines)
