"""Two processes that are to train one run: one does, the other waits for it and only exports."""

import os
import signal
import subprocess
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from conftest import override, start_stage
from safetensors.torch import load_file

from pipeline.contracts import pretrain as contract
from pipeline.files import LOCK
from pipeline.layout import metrics_file
from pipeline.params import Params
from pipeline.pretrain.run_lock import RunLock
from stages import prepare, pretrain, pretrain_together

WAITS = "pretrain: waits for process "


@pytest.fixture
def roots(tmp_path, small_tree, monkeypatch) -> list[Path]:
    """Two clones of a project with one RUNS_DIR and one prepared set."""
    clones = [tmp_path / "one", tmp_path / "two"]
    prepare.main(Params.model_validate(small_tree), clones[0])
    (clones[1] / "artifacts").mkdir(parents=True)
    (clones[1] / "artifacts/data").symlink_to(clones[0] / "artifacts/data")
    monkeypatch.setenv("RUNS_DIR", str(tmp_path / "runs"))
    return clones


class Fork:
    """Work in a process of its own, which need not import torch anew."""

    def __init__(self, folder: Path, work: Callable[[], object]) -> None:
        self.log = folder / f"log-{time.monotonic_ns()}"
        self.log.touch()
        self.process = os.fork()
        if not self.process:
            with self.log.open("w") as handle:
                os.dup2(handle.fileno(), 1)
                os.dup2(handle.fileno(), 2)
                sys.stdout = sys.stderr = handle
                try:
                    work()
                    status = 0
                except BaseException:
                    traceback.print_exc()
                    status = 1
            os._exit(status)

    def wait(self) -> str:
        """All that it said; it has to end well."""
        _, status = os.waitpid(self.process, 0)
        assert os.waitstatus_to_exitcode(status) == 0, self.log.read_text()
        return self.log.read_text()

    def wait_for(self, words: str) -> str:
        while words not in self.log.read_text():  # polls; nothing depends on how long it takes
            assert os.waitpid(self.process, os.WNOHANG) == (0, 0), self.log.read_text()
            time.sleep(0.02)
        return self.log.read_text()

    def kill(self) -> None:
        os.kill(self.process, signal.SIGKILL)
        os.waitpid(self.process, 0)


def train(root: Path, tree: dict[str, Any]) -> Fork:
    params = Params.model_validate(tree)
    return Fork(root, lambda: pretrain.main(params, root))


def wait_for_state(root: Path) -> None:
    while not list(root.parent.glob("runs/*/step-*.json")):
        time.sleep(0.02)


def same_weights(roots: list[Path]) -> bool:
    one, two = (load_file(root / "artifacts/encoder/model.safetensors") for root in roots)
    return all(torch.equal(one[name], two[name]) for name in one)


STEPS = 50
LONG = {
    "pretrain.steps": STEPS,
    "pretrain.history_every": STEPS,
    "pretrain.monitor_every": STEPS,
    "runtime.checkpoint_seconds": 0.0,
}


def one_waits_for_the_other(roots: list[Path], small_tree: dict[str, Any]) -> tuple[Fork, Fork]:
    """Two processes of one run, the first in training."""
    tree = override(small_tree, LONG)
    first = train(roots[0], tree)
    wait_for_state(roots[0])
    second = train(roots[1], tree)
    second.wait_for(WAITS)
    return first, second


@pytest.mark.slow
def test_the_second_process_waits_and_then_only_exports(roots, small_tree):
    first, second = one_waits_for_the_other(roots, small_tree)
    said = second.wait_for(WAITS)
    assert f"{WAITS}{first.process} on " in said and "), which trains " in said
    first.wait()
    said = second.wait()
    assert said.count("waits for") == 1 and f"resumed after step {STEPS} of {STEPS}" in said
    assert same_weights(roots)


@pytest.mark.slow
def test_where_the_first_is_killed_the_second_goes_on_from_its_state(roots, small_tree):
    first, second = one_waits_for_the_other(roots, small_tree)
    first.kill()
    assert "pretrain: resumed after step " in second.wait()


@pytest.mark.slow
def test_many_at_once_all_end_well(roots, small_tree):
    """Six processes of one run in two folders, so that they also write the same outputs."""
    tree = override(small_tree, LONG)
    said = [each.wait() for each in [train(roots[at % 2], tree) for at in range(6)]]
    assert sum(f"resumed after step {STEPS} of {STEPS}" in text for text in said) == 5
    assert same_weights(roots)
    assert contract.read(roots[0] / metrics_file("pretrain")).steps == STEPS
    assert sorted(path.name for path in (roots[0] / "artifacts").iterdir()) == ["data", "encoder"]


@pytest.mark.slow
def test_runs_that_train_in_another_process_are_left_out_of_those_that_train_together(roots, small_tree):
    cells = [
        Params.model_validate(override(small_tree, LONG | {"sparsity.lambda": value})) for value in (0.1, 0.2)
    ]
    first = Fork(roots[0], lambda: pretrain_together.main(cells, roots[0]))
    wait_for_state(roots[0])
    second = Fork(roots[1], lambda: pretrain_together.main(cells, roots[1]))
    own = Fork(roots[1], lambda: pretrain.main(cells[0], roots[1]))
    assert "pretrain: 2 in training elsewhere, left to their own stage" in second.wait()
    assert "pretrain: 2 runs together" in first.wait()
    said = own.wait()
    assert WAITS in said and f"resumed after step {STEPS} of {STEPS}" in said


@pytest.fixture
def waiting(roots, small_tree) -> tuple[RunLock, Callable[..., "subprocess.Popen[str]"]]:
    """The lock of a run, and what starts a stage that trains it."""
    train(roots[0], small_tree).wait()
    [folder] = roots[0].parent.glob("runs/*")

    def start(**changes: object) -> "subprocess.Popen[str]":
        return start_stage("pretrain", roots[0], override(small_tree, changes))

    return RunLock(folder), start


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_one_that_waits_stops_in_a_line(waiting, number):
    lock, start = waiting
    with lock:
        assert lock.take()
        process = start()
        assert next(line for line in process.stdout if line.startswith(f"{WAITS}{os.getpid()} on "))
        process.send_signal(number)
        _, errors = process.communicate()
    assert process.returncode == 128 + number
    assert errors.startswith("error: stopped by ") and errors.count("\n") == 1


@pytest.mark.slow
def test_the_processes_of_a_run_wait_and_go_on_together(waiting, roots):
    """Only the main one takes the lock."""
    lock, start = waiting
    for path in lock.folder.glob("step-*"):
        path.unlink()
    with lock:
        assert lock.take()
        process = start(**{"runtime.processes": 2})
        assert next(line for line in process.stdout if line.startswith(WAITS))
    output, errors = process.communicate()
    assert process.returncode == 0 and WAITS not in output, errors
    assert contract.read(roots[0] / metrics_file("pretrain")).processes == 2


def test_a_lock_is_one_process_at_a_time_and_names_its_holder(tmp_path):
    with RunLock(tmp_path / "run") as first, RunLock(tmp_path / "run") as second:
        assert first.take() and not second.take()
        assert second.holder().startswith(f"process {os.getpid()} on ")
        (tmp_path / "run" / LOCK).write_text("{")
        assert second.holder() == "another process"
    with RunLock(tmp_path / "run") as third:
        assert third.take()


def test_without_locks_a_line_says_so_and_nobody_waits(tmp_path, monkeypatch, capsys):
    def no_locks(*_: object) -> None:
        raise OSError(37, "No locks available")

    monkeypatch.setattr("pipeline.files.fcntl.flock", no_locks)
    with RunLock(tmp_path / "run") as first, RunLock(tmp_path / "run") as second:
        assert first.take() and second.take()
    line = f"{tmp_path / 'run'}: no lock (No locks available): start its run only once at a time\n"
    assert capsys.readouterr().out == 2 * line
