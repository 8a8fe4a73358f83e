"""Resume states: whole or absent, two kept, refused by name."""

import torch

from pipeline.pretrain.checkpoint import Checkpoints

CPU = torch.device("cpu")


def test_the_last_two_states_are_kept_and_the_newest_is_loaded(tmp_path):
    checkpoints = Checkpoints(tmp_path / "abc")
    assert checkpoints.load_last(CPU) is None and checkpoints.last() is None
    for step in (5, 10, 100):
        checkpoints.save({"step": step, "weights": torch.full((2,), float(step))}, step)
    assert sorted(path.name for path in (tmp_path / "abc").iterdir()) == [
        "step-10.json",
        "step-10.pt",
        "step-100.json",
        "step-100.pt",
    ]
    state = checkpoints.load_last(CPU)
    assert state is not None and state["step"] == 100 and state["weights"].tolist() == [100, 100]


def test_a_damaged_state_is_refused_by_name_and_the_one_before_it_is_used(tmp_path, capsys):
    checkpoints = Checkpoints(tmp_path / "abc")
    for step in (5, 10):
        checkpoints.save({"step": step}, step)
    path = tmp_path / "abc/step-10.pt"
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    state = checkpoints.load_last(CPU)
    assert state is not None and state["step"] == 5
    assert "step-10.pt: refused, its content does not match" in capsys.readouterr().out


def test_a_state_whose_json_lost_its_bytes_is_refused_by_name(tmp_path, capsys):
    checkpoints = Checkpoints(tmp_path / "abc")
    for step in (5, 10):
        checkpoints.save({"step": step}, step)
    (tmp_path / "abc/step-10.json").write_text("")
    state = checkpoints.load_last(CPU)
    assert state is not None and state["step"] == 5
    assert "step-10.json: refused, it is damaged" in capsys.readouterr().out


def test_a_state_of_another_run_is_refused_by_name(tmp_path, capsys):
    Checkpoints(tmp_path / "abc").save({"step": 5}, 5)
    (tmp_path / "abc").rename(tmp_path / "def")
    assert Checkpoints(tmp_path / "def").load_last(CPU) is None
    assert "refused, it belongs to run abc" in capsys.readouterr().out


def test_a_state_without_its_json_was_never_finished(tmp_path):
    checkpoints = Checkpoints(tmp_path / "abc")
    checkpoints.save({"step": 5}, 5)
    (tmp_path / "abc/step-9.pt").write_bytes(b"half a state")
    state = checkpoints.load_last(CPU)
    assert state is not None and state["step"] == 5
