"""A stage in several processes: started and stopped as one, and one line for how they end."""

import json
import signal
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest
from conftest import SMALL, default_tree, override, start_stage

from pipeline.params import Params
from pipeline.pretrain.parallel.launch import RankError, distributed, explain_failure, launch
from stages import prepare


def params_with(**changes: object) -> Params:
    return Params.model_validate(override(default_tree(), SMALL | changes))


def test_one_process_or_one_of_torchruns_is_not_launched_again(monkeypatch, tmp_path):
    calls: list[Path] = []
    start = distributed(lambda _params, root: calls.append(root), "nowhere")
    start(params_with(), tmp_path)
    monkeypatch.setenv("RANK", "1")
    monkeypatch.setenv("WORLD_SIZE", "2")
    start(params_with(**{"runtime.processes": 2}), tmp_path)
    assert calls == [tmp_path, tmp_path]


STOP = "error: stopped by SIGTERM after step 3\n"
FAULT = "Traceback (most recent call last):\n  ...\nKeyError: 'x'\n"


@pytest.mark.parametrize(
    ("statuses", "errors", "line", "status"),
    [
        ({0: 143, 1: 2}, {0: STOP, 1: "a warning\nerror: model.name: no\n"}, "model.name: no", 2),
        ({0: 1, 1: -9}, {0: FAULT, 1: ""}, "process 1 of 2 was killed by SIGKILL (out of memory?); ", 1),
        ({0: 1, 1: -15}, {0: FAULT, 1: ""}, "process 0 of 2 failed with exit status 1", 1),
        ({0: 143, 1: 143}, {0: STOP, 1: STOP}, "stopped by SIGTERM after step 3", 143),
        ({0: -15, 1: -15}, {}, "stopped by SIGTERM; nothing half-written was kept", 143),
    ],
)
def test_the_process_that_failed_first_is_quoted(capfd, statuses, errors, line, status):
    failure = explain_failure(statuses, errors, 2)
    assert str(failure).startswith(line) and "\n" not in str(failure) and failure.exit_status == status
    assert capfd.readouterr().err == (FAULT if "failed with" in line else "")


def test_a_process_that_dies_ends_the_others():
    """The other waits for ever, as in a collective; it is stopped."""
    dying = "import os, signal; os.environ['RANK'] == '1' and os.kill(os.getpid(), 9); signal.pause()"
    with pytest.raises(RankError, match="process 1 of 2 was killed by SIGKILL"):
        launch(["-c", dying], 2)


@pytest.mark.slow
def test_the_stage_starts_itself_stops_as_one_and_leaves_no_process(tmp_path, small_tree):
    prepare.main(Params.model_validate(small_tree), tmp_path)
    endless = {"pretrain.steps": 100_000, "runtime.checkpoint_seconds": 0.2, "runtime.processes": 2}
    for number, status, words in (
        (signal.SIGTERM, 143, "error: stopped by SIGTERM after step "),
        (signal.SIGKILL, -9, ""),  # of the launcher alone: its processes notice
    ):
        process = start_stage("pretrain", tmp_path, override(small_tree, endless))
        wait_for(lambda: list(tmp_path.glob("runs/*/step-*.json")))
        ranks = psutil.Process(process.pid).children()
        assert len(ranks) == 2
        process.send_signal(number)
        _, errors = process.communicate()
        assert process.returncode == status and errors.startswith(words) and errors.count("\n") <= 1
        psutil.wait_procs(ranks)
        assert not (tmp_path / "artifacts/encoder").exists()
        for state in tmp_path.glob("runs/*/*"):
            state.unlink()

    process = start_stage("pretrain", tmp_path, override(small_tree, {"runtime.processes": 2}))
    output, errors = process.communicate()
    assert process.returncode == 0, errors
    assert output.count("pretrain: step 6/6") == 1
    metrics = json.loads((tmp_path / "reports/metrics/pretrain.json").read_text())
    assert metrics["processes"] == 2 and metrics["images_seen"] == 6 * 32

    process = start_stage("pretrain", tmp_path, override(small_tree, {"runtime.processes": 3}))
    _, errors = process.communicate()
    assert process.returncode == 2
    assert errors.startswith("error: runtime.processes: 3 must split") and errors.count("\n") == 1


def wait_for(event: Callable[[], object]) -> None:
    while not event():
        time.sleep(0.02)  # polls for an event; nothing depends on how long it takes
