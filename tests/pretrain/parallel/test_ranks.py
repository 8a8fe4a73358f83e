"""Several processes: the losses of one at the same global batch, and one state.

`python test_ranks.py <folder>` is what each process of a test runs: every case of `CASES`, in turn.
"""

import json
import os
import signal
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from conftest import REPOSITORY, SMALL, default_tree, override

from pipeline.files import ParamsError
from pipeline.params import Params
from pipeline.pretrain.loop import InterruptedRunError, train
from pipeline.pretrain.parallel.launch import launch
from pipeline.pretrain.parallel.ranks import SINGLE_PROCESS, check_world_size, process_group
from pipeline.pretrain.trainer import Trainer
from tests.pretrain.small_run import run_of

TINY = SMALL | {"pretrain.batch_size": 24, "pretrain.steps": 8, "pretrain.history_every": 1}
CASES: dict[str, dict[str, Any]] = {
    # 50 steps with all that has a state of the batch: batch norm, W's proximal step, learned groups
    "oi_vae, vicreg": {
        "regularizer.name": "vicreg",
        "pretrain.steps": 50,
        "sparsity.assignment": "learned",
        "sparsity.regroup_every": 5,
    },
    "oi_vae, accumulation": {"pretrain.accumulation": 3, "sparsity.free_bits": 0.05},
    "pooled": {"sparsity.site": "pooled", "sparsity.stop_gradient": True, "pretrain.grad_clip": 0.01},
    "predictor": {"sparsity.site": "predictor", "pretrain.accumulation": 2},
    "none, sigreg": {"sparsity.method": "none", "regularizer.name": "sigreg"},
    "rdmreg, independent groups": {"sparsity.method": "rdmreg", "regularizer.name": "independent_groups"},
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


def case(name: str) -> Params:
    return Params.model_validate(override(default_tree(), TINY | CASES[name]))


def worker(folder: Path) -> None:
    """Every case; each process leaves its histories, and a digest of every weight and buffer at the end.

    Then a run that one process began, and one that is left half-way because the second is told to stop.
    """
    results: dict[str, Any] = {}
    with process_group(case(ACROSS)) as (ranks, runtime):  # once: a process can join a run of torchrun's once
        for name in CASES:
            shard = replace(ranks.shard, micro_batches=case(name).pretrain.accumulation)
            run = run_of(case(name), folder / name, runtime, replace(ranks, shard=shard))
            train(run)
            state = {
                key: value.double().sum().item() for key, value in run.trainer.model.state_dict().items()
            }
            results[name] = {"history": run.trainer.history, "state": state}
        run = run_of(case(ACROSS), folder / "begun alone", runtime, ranks)
        train(run)
        results["begun alone"] = {"history": run.trainer.history}
        run = run_of(case(ACROSS), folder / "stopped", runtime, ranks)
        if not ranks.is_main:
            stop_itself(run.trainer)
        try:
            train(run)
        except InterruptedRunError as error:
            results["stopped"] = {"line": str(error), "status": error.exit_status}
    (folder / f"{os.environ['RANK']}.json").write_text(json.dumps(results))


def stop_itself(trainer: Trainer) -> None:
    """Signal this process in the middle of its step number STOP_AFTER."""
    train_step = trainer.train_step

    def stopping(images: torch.Tensor, step: int) -> dict[str, torch.Tensor]:
        if step == STOP_AFTER - 1:
            os.kill(os.getpid(), signal.SIGTERM)
        return train_step(images, step)

    trainer.train_step = stopping  # type: ignore[method-assign]


def alone(name: str, folder: Path) -> Trainer:
    """One process's run of a case, continued from what lies in `folder`."""
    with process_group(case(name)) as (ranks, runtime):
        run = run_of(case(name), folder, runtime, ranks)
        train(run)
    return run.trainer


def assert_alike(ours: list[dict[str, float]], theirs: list[dict[str, float]]) -> None:
    """Equal to 1e-4 in all that a row of the history says of the run."""
    for row, expected in zip(ours, theirs, strict=True):
        assert row.keys() == expected.keys()
        for key in row.keys() - UNLIKE:
            assert row[key] == pytest.approx(expected[key], abs=1e-4), (row["step"], key)


@pytest.fixture(scope="module")
def shared(tmp_path_factory) -> Path:
    """What two processes left of every case."""
    folder = tmp_path_factory.mktemp("shared")
    with process_group(case(ACROSS)) as (ranks, runtime):
        run = run_of(case(ACROSS), folder / "begun alone", runtime, ranks)
        stop_itself(run.trainer)
        with pytest.raises(InterruptedRunError):
            train(run)
    path = os.pathsep.join(map(str, (REPOSITORY, REPOSITORY / "tests")))
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
    continued = json.loads((shared / "0.json").read_text())["begun alone"]
    assert_alike(continued["history"], alone(ACROSS, tmp_path).history)


def test_a_signal_to_one_process_stops_all_after_the_same_step_and_one_continues(shared, tmp_path):
    for rank in (0, 1):
        stop = json.loads((shared / f"{rank}.json").read_text())["stopped"]
        assert stop["line"].startswith(f"stopped by SIGTERM after step {STOP_AFTER} of ")
        assert stop["status"] == 128 + signal.SIGTERM
    assert (shared / f"stopped/step-{STOP_AFTER}.json").exists()
    assert_alike(alone(ACROSS, shared / "stopped").history, alone(ACROSS, tmp_path).history)


def test_alone_there_is_no_collective():
    """torch.distributed is not even initialised: anything asked of it would raise."""
    weight = torch.nn.Parameter(torch.ones(2))
    weight.grad = torch.ones(2)
    gradient, terms = weight.grad, {"prediction": torch.ones(())}
    assert SINGLE_PROCESS.average_gradients([weight], terms) is terms and weight.grad is gradient
    assert SINGLE_PROCESS.is_main
    assert SINGLE_PROCESS.agree_on_stop([]) == 0 and SINGLE_PROCESS.agree_on_stop([15]) == 15


def params_with(**changes: object) -> Params:
    return Params.model_validate(override(default_tree(), SMALL | changes))


def test_a_batch_that_cannot_be_shared_is_refused_by_name():
    params = params_with(**{"pretrain.accumulation": 4})
    check_world_size(params, 8)
    with pytest.raises(ParamsError, match=r"^runtime\.processes: 3 must split pretrain\.batch_size \(32\)"):
        check_world_size(params, 3)
    with pytest.raises(ParamsError, match=r"^runtime\.processes: 16 must split"):
        check_world_size(params, 16)


def test_more_processes_than_gpus_are_refused_by_name(monkeypatch):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    check_world_size(params_with(**{"runtime.device": "cuda"}), 1)
    with pytest.raises(ParamsError, match=r"^runtime\.processes: 2 asked for, one per GPU, 1 CUDA devices"):
        check_world_size(params_with(**{"runtime.device": "cuda"}), 2)
    with pytest.raises(ParamsError, match=r"^runtime\.device: cuda:0 is one GPU, runtime\.processes asks"):
        check_world_size(params_with(**{"runtime.device": "cuda:0"}), 2)


def test_another_number_than_torchrun_started_is_refused_by_name(monkeypatch):
    params = params_with(**{"runtime.processes": 2})
    with pytest.raises(ParamsError, match="2 asked for, this one was started alone"), process_group(params):
        pass
    monkeypatch.setenv("RANK", "0")
    monkeypatch.setenv("WORLD_SIZE", "4")
    with pytest.raises(ParamsError, match="2 asked for, torchrun started 4"), process_group(params):
        pass


if __name__ == "__main__":
    worker(Path(sys.argv[1]))
