"""Several processes: the losses of one at the same global batch, one state, one line for how they end.

`python test_distributed.py <folder>` is what each process of a test runs: every case of `CASES`, in turn.
"""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil
import pytest
import torch
import yaml
from conftest import REPOSITORY, SMALL, default_tree, override
from test_loop import IMAGES, watch

from pipeline.files import ParamsError
from pipeline.params import Params
from pipeline.pretrain.batches import Batches
from pipeline.pretrain.checkpoint import Checkpoints
from pipeline.pretrain.loop import InterruptedRunError, train
from pipeline.pretrain.parallel.launch import RankError, launch, launched, verdict
from pipeline.pretrain.parallel.ranks import ALONE, Ranks, check, joined
from pipeline.pretrain.pretraining import Pretraining
from stages import prepare

TINY = SMALL | {"pretrain.batch_size": 24, "pretrain.steps": 8, "pretrain.history_every": 1}
CASES: dict[str, dict[str, Any]] = {
    # 50 steps with all that has a state of the batch: batch norm, W's proximal step, learned groups
    "oi_vae, vicreg": {"pretrain.steps": 50, "sparsity.assignment": "learned", "sparsity.regroup_every": 5},
    "oi_vae, accumulation": {"pretrain.accumulation": 3, "sparsity.free_bits": 0.05},
    "pooled": {"sparsity.site": "pooled", "sparsity.stop_gradient": True},
    "none, sigreg": {"sparsity.method": "none", "regularizer.name": "sigreg"},
    "rdmreg": {"sparsity.method": "rdmreg"},
    "topk, official masks": {
        "sparsity.method": "topk",
        "masking.mode": "ijepa",
        "masking.target_scale": [0.25, 0.4],
        "masking.min_keep": 1,
    },
    "group_lasso": {"sparsity.method": "group_lasso", "regularizer.name": "none"},
}
ACROSS = "group_lasso"  # the case whose runs change hands
STOP_AFTER = 3
UNLIKE = {"images_per_second", "peak_memory_mb"}  # of a row of the history: what the clock and the system say


def build(params: Params, ranks: Ranks, runtime: Any) -> tuple[Pretraining, Batches]:
    pretrain = params.pretrain
    run = Pretraining(params, params.augment, (0.5,) * 3, (0.25,) * 3, runtime, ranks)
    indices = torch.arange(len(IMAGES)).numpy()
    batches = Batches(IMAGES, indices, pretrain.batch_size, pretrain.seed, runtime.device, ranks.share)
    return run, batches


def case(name: str) -> Params:
    return Params.model_validate(override(default_tree(), TINY | CASES[name]))


def worker(folder: Path) -> None:
    """Every case; each process leaves its histories, and a digest of every weight and buffer at the end.

    Then a run that one process began, and one that is left half-way because the second is told to stop.
    """
    found: dict[str, Any] = {}
    with joined(case(ACROSS)) as (ranks, runtime):  # once: a process can join a run of torchrun's once
        for name in CASES:
            parts = case(name).pretrain.accumulation
            run, batches = build(case(name), replace(ranks, share=replace(ranks.share, parts=parts)), runtime)
            train(run, batches, Checkpoints(folder / name, writes=ranks.leads), watch)
            state = {key: value.double().sum().item() for key, value in run.model.state_dict().items()}
            found[name] = {"history": run.history, "state": state}
        run, batches = build(case(ACROSS), ranks, runtime)
        train(run, batches, Checkpoints(folder / "begun alone", writes=ranks.leads), watch)
        found["begun alone"] = {"history": run.history}
        run, batches = build(case(ACROSS), ranks, runtime)
        if not ranks.leads:
            stop_itself(run)
        try:
            train(run, batches, Checkpoints(folder / "stopped", writes=ranks.leads), watch)
        except InterruptedRunError as error:
            found["stopped"] = {"line": str(error), "status": error.exit_status}
    (folder / f"{os.environ['RANK']}.json").write_text(json.dumps(found))


def stop_itself(run: Pretraining, number: int = signal.SIGTERM) -> None:
    """Signal this process in the middle of its step number STOP_AFTER."""
    step = run.train_step

    def stopping(batch: torch.Tensor, at: int) -> dict[str, torch.Tensor]:
        if at == STOP_AFTER - 1:
            os.kill(os.getpid(), number)
        return step(batch, at)

    run.train_step = stopping  # type: ignore[method-assign]


def alone(name: str, folder: Path) -> Pretraining:
    """One process's run of a case, continued from what lies in `folder`."""
    with joined(case(name)) as (ranks, runtime):
        run, batches = build(case(name), ranks, runtime)
        train(run, batches, Checkpoints(folder), watch)
    return run


def assert_alike(ours: list[dict[str, float]], theirs: list[dict[str, float]]) -> None:
    """Equal to 1e-4 in all that a row of the history says of the run."""
    for one, other in zip(ours, theirs, strict=True):
        assert one.keys() == other.keys()
        for key in one.keys() - UNLIKE:
            assert one[key] == pytest.approx(other[key], abs=1e-4), (one["step"], key)


@pytest.fixture(scope="module")
def shared(tmp_path_factory) -> Path:
    """What two processes left of every case."""
    folder = tmp_path_factory.mktemp("shared")
    with joined(case(ACROSS)) as (ranks, runtime):
        run, batches = build(case(ACROSS), ranks, runtime)
        stop_itself(run)
        with pytest.raises(InterruptedRunError):
            train(run, batches, Checkpoints(folder / "begun alone"), watch)
    path = os.pathsep.join(map(str, (REPOSITORY, REPOSITORY / "tests", REPOSITORY / "tests/training")))
    before = os.environ.get("PYTHONPATH")
    os.environ["PYTHONPATH"] = path
    try:
        launch([__file__, str(folder)], 2)
    finally:
        os.environ.pop("PYTHONPATH")
        if before is not None:
            os.environ["PYTHONPATH"] = before
    return folder


@pytest.mark.parametrize("name", CASES)
def test_two_processes_have_the_losses_of_one(shared, tmp_path, name):
    leader = json.loads((shared / "0.json").read_text())[name]
    assert len(leader["history"]) == case(name).pretrain.steps + 1
    assert_alike(leader["history"], alone(name, tmp_path).history)


@pytest.mark.parametrize("name", CASES)
def test_all_processes_end_with_the_same_weights_and_running_means(shared, name):
    first, second = (json.loads((shared / f"{rank}.json").read_text())[name] for rank in (0, 1))
    assert first["state"] == second["state"]


def test_a_run_begun_by_one_process_is_continued_by_two(shared, tmp_path):
    found = json.loads((shared / "0.json").read_text())["begun alone"]
    assert_alike(found["history"], alone(ACROSS, tmp_path).history)


def test_a_signal_to_one_process_stops_all_after_the_same_step_and_one_continues(shared, tmp_path):
    for rank in (0, 1):
        found = json.loads((shared / f"{rank}.json").read_text())["stopped"]
        assert found["line"].startswith(f"stopped by SIGTERM after step {STOP_AFTER} of ")
        assert found["status"] == 128 + signal.SIGTERM
    assert (shared / f"stopped/step-{STOP_AFTER}.json").exists()
    assert_alike(alone(ACROSS, shared / "stopped").history, alone(ACROSS, tmp_path).history)


def test_alone_there_is_no_collective():
    """torch.distributed is not even initialised: anything asked of it would raise."""
    weight = torch.nn.Parameter(torch.ones(2))
    weight.grad = torch.ones(2)
    gradient, terms = weight.grad, {"prediction": torch.ones(())}
    assert ALONE.average([weight], terms) is terms and weight.grad is gradient
    assert ALONE.leads and ALONE.agree([]) == 0 and ALONE.agree([15]) == 15


def params_with(**changes: object) -> Params:
    return Params.model_validate(override(default_tree(), SMALL | changes))


def test_a_batch_that_cannot_be_shared_is_refused_by_name():
    params = params_with(**{"pretrain.accumulation": 4})
    check(params, 8)
    with pytest.raises(ParamsError, match=r"^runtime\.processes: 3 must split pretrain\.batch_size \(32\)"):
        check(params, 3)
    with pytest.raises(ParamsError, match=r"^runtime\.processes: 16 must split"):
        check(params, 16)


def test_more_processes_than_gpus_are_refused_by_name(monkeypatch):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    check(params_with(**{"runtime.device": "cuda"}), 1)
    with pytest.raises(ParamsError, match=r"^runtime\.processes: 2 asked for, one per GPU, 1 CUDA devices"):
        check(params_with(**{"runtime.device": "cuda"}), 2)
    with pytest.raises(ParamsError, match=r"^runtime\.device: cuda:0 is one GPU, runtime\.processes asks"):
        check(params_with(**{"runtime.device": "cuda:0"}), 2)


def test_another_number_than_torchrun_started_is_refused_by_name(monkeypatch):
    params = params_with(**{"runtime.processes": 2})
    with pytest.raises(ParamsError, match="2 asked for, this one was started alone"), joined(params):
        pass
    monkeypatch.setenv("RANK", "0")
    monkeypatch.setenv("WORLD_SIZE", "4")
    with pytest.raises(ParamsError, match="2 asked for, torchrun started 4"), joined(params):
        pass


def test_one_process_or_one_of_torchruns_is_not_launched_again(monkeypatch, tmp_path):
    calls: list[Path] = []
    start = launched(lambda _params, root: calls.append(root), "nowhere")
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
def test_the_process_to_blame_speaks(capfd, statuses, errors, line, status):
    found = verdict(statuses, errors, 2)
    assert str(found).startswith(line) and "\n" not in str(found) and found.exit_status == status
    assert capfd.readouterr().err == (FAULT if "failed with" in line else "")


def test_a_process_that_dies_ends_the_others():
    """The other waits for ever, as in a collective; it is stopped."""
    dying = "import os, signal; os.environ['RANK'] == '1' and os.kill(os.getpid(), 9); signal.pause()"
    with pytest.raises(RankError, match="process 1 of 2 was killed by SIGKILL"):
        launch(["-c", dying], 2)


def start(root: Path, tree: dict[str, Any]) -> "subprocess.Popen[str]":
    (root / "params.yaml").write_text(yaml.safe_dump(tree))
    return subprocess.Popen(
        [sys.executable, "-m", "stages.pretrain"],
        cwd=root,
        env=os.environ | {"PYTHONPATH": str(REPOSITORY)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.mark.slow
def test_the_stage_starts_itself_stops_as_one_and_leaves_no_process(tmp_path, small_tree):
    prepare.main(Params.model_validate(small_tree), tmp_path)
    endless = {"pretrain.steps": 100_000, "runtime.checkpoint_seconds": 0.2, "runtime.processes": 2}
    for number, status, words in (
        (signal.SIGTERM, 143, "error: stopped by SIGTERM after step "),
        (signal.SIGKILL, -9, ""),  # of the launcher alone: its processes notice
    ):
        process = start(tmp_path, override(small_tree, endless))
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

    process = start(tmp_path, override(small_tree, {"runtime.processes": 2}))
    output, errors = process.communicate()
    assert process.returncode == 0, errors
    assert output.count("pretrain: step 6/6") == 1
    metrics = json.loads((tmp_path / "reports/metrics/pretrain.json").read_text())
    assert metrics["processes"] == 2 and metrics["images_seen"] == 6 * 32

    process = start(tmp_path, override(small_tree, {"runtime.processes": 3}))
    _, errors = process.communicate()
    assert process.returncode == 2
    assert errors.startswith("error: runtime.processes: 3 must split") and errors.count("\n") == 1


def wait_for(event: Callable[[], object]) -> None:
    while not event():
        time.sleep(0.02)  # polls for an event; nothing depends on how long it takes


if __name__ == "__main__":
    worker(Path(sys.argv[1]))
