"""Reading params.yaml: what is no YAML, keys that stand twice, and the exit status of every stage."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from conftest import REPOSITORY, default_tree, override

from pipeline.files import InputError, ParamsError
from pipeline.params import load, read_tree


def test_what_is_read_is_what_yaml_reads():
    path = REPOSITORY / "params.yaml"
    assert read_tree(path) == yaml.safe_load(path.read_text())


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("data: [1, 2", "params.yaml: not valid YAML"),
        ("a: *b", "params.yaml: not valid YAML"),
        ("a: !!python/object:os.system x", "params.yaml: not valid YAML"),
        ("a: 1\n---\nb: 2", "params.yaml: not valid YAML"),
        ("just words", "params.yaml: must hold sections"),
        ("", "params.yaml: must hold sections"),
        ("[1, 2]", "params.yaml: must hold sections"),
    ],
)
def test_what_holds_no_sections_is_one_line_that_names_the_file(tmp_path, text, message):
    (tmp_path / "params.yaml").write_text(text)
    with pytest.raises(ParamsError) as caught:
        load(tmp_path / "params.yaml")
    assert str(caught.value).startswith(message) and "\n" not in str(caught.value)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(InputError, match=r"nowhere\.yaml: not found"):
        load(tmp_path / "nowhere.yaml")


def test_keys_that_stand_twice_are_named_with_their_lines(tmp_path):
    path = tmp_path / "params.yaml"
    path.write_text(
        "data:\n  name: scenes\n  seed: 1\n  name: cifar10\nmodel: {depth: 1, depth: 2}\ndata: 3\n"
    )
    with pytest.raises(ParamsError) as caught:
        load(path)
    assert str(caught.value).splitlines() == [
        "data.name: stands twice, in line 2 and in line 4",
        "model.depth: stands twice, in line 5 and in line 5",
        "data: stands twice, in line 1 and in line 6",
    ]


def test_a_small_number_without_a_point_is_a_number(tmp_path):
    """`dvc exp run -S pretrain.learning_rate=1e-5` writes 1e-05, which YAML 1.1 reads as a string."""
    path = tmp_path / "params.yaml"
    path.write_text(re.sub(r"learning_rate: \S+", "learning_rate: 1e-05", yaml.safe_dump(default_tree())))
    assert read_tree(path)["pretrain"]["learning_rate"] == 1e-05
    assert load(path).pretrain.learning_rate == 1e-5


def put_folder(path: Path) -> None:
    path.mkdir()


def put_pipe(path: Path) -> None:
    os.mkfifo(path)


def put_unreadable(path: Path) -> None:
    path.symlink_to("/proc/self/mem")  # a file that even root cannot read from its beginning


def put_link_to_itself(path: Path) -> None:
    path.symlink_to(path)


def put_large(path: Path) -> None:
    path.write_text("a: 1  # " + "x" * 10**8)


def put_bytes(path: Path) -> None:
    path.write_bytes(b"a: \xff\xfe")


def put_laughs(path: Path) -> None:
    lines = ["l0: &l0 [ha]"] + [
        f"l{level}: &l{level} [{', '.join([f'*l{level - 1}'] * 9)}]" for level in range(1, 12)
    ]
    path.write_text("\n".join(lines))


def put_many_keys(path: Path) -> None:
    path.write_text("\n".join(f"key{number}: 1" for number in range(2000)))


@pytest.mark.parametrize(
    ("put", "message", "status"),
    [
        (put_folder, "not a file", 1),
        (put_pipe, "not a file", 1),
        (put_unreadable, "Input/output error", 1),
        (put_link_to_itself, "not found", 1),
        (put_large, "larger than 256 KiB", 2),
        (put_bytes, "not valid YAML: invalid start byte at byte 3", 2),
        (put_laughs, "not valid YAML: anchors, aliases and tags are not read here", 2),
        (put_many_keys, "1963 more mistakes", 2),
    ],
)
def test_whatever_stands_in_its_place_is_named_in_short_lines(tmp_path, put, message, status):
    put(tmp_path / "params.yaml")
    with pytest.raises(InputError) as caught:
        load(tmp_path / "params.yaml")
    lines = str(caught.value).splitlines()
    assert message in lines[-1] and lines[-1].split(": ")[0].endswith("params.yaml")
    assert caught.value.exit_status == status and len(lines) <= 51
    assert all(len(line) <= 300 and line.isprintable() for line in lines)


@pytest.mark.parametrize("stage", ["prepare", "report"])
def test_a_stage_checks_all_params_first_and_leaves_with_status_2(tmp_path, stage):
    changes = {"pretrain.steps": 0, "model.num_heads": 3}
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(override(default_tree(), changes), sort_keys=False))
    done = subprocess.run(
        [sys.executable, "-m", f"stages.{stage}"],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(REPOSITORY)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 2
    assert done.stderr.splitlines() == [
        "error: model.num_heads: must divide model.embed_dim (128), got 3",
        "pretrain.steps: must be greater than or equal to 1, got 0",
    ]
    assert [path.name for path in tmp_path.iterdir()] == ["params.yaml"]
