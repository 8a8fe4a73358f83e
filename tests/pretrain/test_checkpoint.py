"""Resume states: whole or absent, two kept, refused by name."""

import hashlib
import io
import pickle
import zipfile
from typing import Any

import numpy as np
import pytest
import torch

from pipeline.files import write_json
from pipeline.pretrain.checkpoint import Checkpoints
from pipeline.pretrain.loop import train
from tests.pretrain.small_run import build_run


def any_state(_: Any) -> bool:
    return True


def test_the_last_two_states_are_kept_and_the_newest_is_loaded(tmp_path):
    checkpoints = Checkpoints(tmp_path / "abc")
    assert checkpoints.load_last(any_state) is None and checkpoints.last() is None
    for step in (5, 10, 100):
        checkpoints.save({"step": step, "weights": torch.full((2,), float(step))}, step)
    assert sorted(path.name for path in (tmp_path / "abc").iterdir()) == [
        "step-10.json",
        "step-10.pt",
        "step-100.json",
        "step-100.pt",
    ]
    state = checkpoints.load_last(any_state)
    assert state is not None and state["step"] == 100 and state["weights"].tolist() == [100, 100]


def test_a_damaged_state_is_refused_by_name_and_the_one_before_it_is_used(tmp_path, capsys):
    checkpoints = Checkpoints(tmp_path / "abc")
    for step in (5, 10):
        checkpoints.save({"step": step}, step)
    path = tmp_path / "abc/step-10.pt"
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    state = checkpoints.load_last(any_state)
    assert state is not None and state["step"] == 5
    assert "step-10.pt: refused, its content does not match" in capsys.readouterr().out


def test_a_state_whose_json_lost_its_bytes_is_refused_by_name(tmp_path, capsys):
    checkpoints = Checkpoints(tmp_path / "abc")
    for step in (5, 10):
        checkpoints.save({"step": step}, step)
    (tmp_path / "abc/step-10.json").write_text("")
    state = checkpoints.load_last(any_state)
    assert state is not None and state["step"] == 5
    assert "step-10.json: refused, it is damaged" in capsys.readouterr().out


def test_a_state_of_another_run_is_refused_by_name(tmp_path, capsys):
    Checkpoints(tmp_path / "abc").save({"step": 5}, 5)
    (tmp_path / "abc").rename(tmp_path / "def")
    assert Checkpoints(tmp_path / "def").load_last(any_state) is None
    assert "refused, it belongs to run abc" in capsys.readouterr().out


def test_a_state_without_its_json_was_never_finished(tmp_path):
    checkpoints = Checkpoints(tmp_path / "abc")
    checkpoints.save({"step": 5}, 5)
    (tmp_path / "abc/step-9.pt").write_bytes(b"half a state")
    state = checkpoints.load_last(any_state)
    assert state is not None and state["step"] == 5


def test_what_was_never_finished_or_refused_is_dropped_by_the_next_save(tmp_path):
    """Two refused states after the one that the run went on from must not push the new one out."""
    folder = tmp_path / "abc"
    checkpoints = Checkpoints(folder)
    for step in (80, 90):
        checkpoints.save({}, step)
    (folder / "step-7.pt").write_bytes(b"half a state")
    checkpoints.save({}, 5)
    assert sorted(path.name for path in folder.iterdir()) == ["step-5.json", "step-5.pt"]


def test_names_that_no_state_has_are_passed_over(tmp_path):
    checkpoints = Checkpoints(tmp_path / "abc")
    checkpoints.save({"step": 5}, 5)
    for name in ("step-x.json", "step-.json", "step--1.json", "step-9.json"):
        (tmp_path / "abc" / name).mkdir()
    assert checkpoints.steps() == [9, 5]
    assert checkpoints.load_last(any_state) == {"step": 5}


def zipped(content: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("archive/data.pkl", content)
        archive.writestr("archive/version", "3")
    return buffer.getvalue()


def saved(content: object) -> bytes:
    buffer = io.BytesIO()
    torch.save(content, buffer)
    return buffer.getvalue()


@pytest.mark.slow
def test_a_state_that_is_none_is_refused_in_a_line_though_its_digest_is_right(small_tree, tmp_path, capsys):
    """And the run goes on from the one before it, with the same bits."""
    changes = {"runtime.checkpoint_seconds": 0.0}
    whole = build_run(small_tree, tmp_path / "whole", **changes)
    train(whole)
    state = whole.checkpoints.load(6, whole.trainer.fits)
    assert state is not None
    good = (whole.checkpoints.folder / "step-6.pt").read_bytes()
    random = np.random.default_rng(0)
    foreign: list[bytes] = [b"", b"x", b"\x80\x04.", zipped(b""), zipped(b"\x80\x02}."), pickle.dumps(3)]
    foreign += [pickle.dumps(eval), good[: len(good) // 2], zipped(pickle.dumps(print))]
    foreign += [random.bytes(size) for size in (3, 100, 10_000)]
    foreign += [saved(content) for content in (None, 3, [], {}, state["model"], {**state, "more": 1})]
    for name in state:
        foreign += [saved({key: value for key, value in state.items() if key != name})]
        foreign += [saved(state | {name: None}), saved(state | {name: {"other": torch.zeros(3)}})]
    weight = next(iter(state["model"]))
    foreign += [saved(state | {"model": state["model"] | {weight: torch.zeros(1)}})]
    flipped = bytearray(good)
    for place in random.integers(0, 3000, 30):  # the zip's head and the pickle
        flipped[place] ^= 0xFF
        foreign.append(bytes(flipped))
    refused = 0
    for content in foreign:
        folder = tmp_path / "run"
        checkpoints = Checkpoints(folder)
        checkpoints.save(state | {"step": 5}, 5)
        (folder / "step-6.pt").write_bytes(content)
        meta = {"fingerprint": "run", "step": 6, "sha256": hashlib.sha256(content).hexdigest()}
        write_json(folder / "step-6.json", meta)
        capsys.readouterr()
        loaded = checkpoints.load_last(whole.trainer.fits)
        said = capsys.readouterr().out
        assert loaded is not None
        refused += loaded["step"] == 5
        assert said.count("\n") == (loaded["step"] == 5) and ("step-6.pt: refused, " in said) == bool(said)
    print(f"{len(foreign)} contents, {refused} refused")
    assert refused > 40
