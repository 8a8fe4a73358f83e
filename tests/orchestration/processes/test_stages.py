"""Stages run through DVC, one by one and side by side."""

import pytest
from conftest import default_tree

from pipeline.files import InputError
from pipeline.orchestration.processes import stages as room
from pipeline.orchestration.processes.listen import Listener
from pipeline.orchestration.processes.stages import StageError, run_round, run_stage, shares, stage_rounds
from pipeline.orchestration.processes.stop import Stop
from pipeline.params import RuntimeParams
from pipeline.progress import Progress
from tests.orchestration.mini_project import WITH_TWIN, environment, make, state

RUNTIME = RuntimeParams.model_validate(default_tree()["runtime"])


class Recorder(Listener):
    def __init__(self) -> None:
        self.reports: list[Progress] = []

    def progress(self, progress: Progress) -> None:
        self.reports.append(progress)


def test_a_stage_runs_once_reports_its_progress_and_is_then_cached(tmp_path, monkeypatch):
    project, recorder = make(tmp_path / "project"), Recorder()
    monkeypatch.setenv("PYTHONPATH", environment()["PYTHONPATH"])
    [first], [second], *_ = stage_rounds(project)
    assert run_stage(project, first, Stop(), recorder) and recorder.reports == []
    assert run_stage(project, second, Stop(), recorder)
    last = recorder.reports[-1]
    assert (last.task, last.percent, last.detail["loss"]) == ("pretrain", 100.0, 0.5)
    assert not run_stage(project, second, Stop(), recorder)


def test_a_stage_that_fails_gives_its_own_reason(tmp_path, monkeypatch):
    project = make(tmp_path / "project", sparsity__lambda=7)
    monkeypatch.setenv("PYTHONPATH", environment()["PYTHONPATH"])
    assert run_stage(project, "prepare", Stop(), Listener())
    with pytest.raises(StageError, match=r"^pretrain: pretrain: the loss is not finite$"):
        run_stage(project, "pretrain", Stop(), Listener())


def test_a_folder_that_is_no_project_is_named(tmp_path):
    with pytest.raises(InputError, match=r"dvc\.yaml: not found here"):
        stage_rounds(tmp_path)


def two_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "cores", lambda: 2)
    monkeypatch.setattr(room, "gpus", list)
    for name, value in environment(TWIN_WAITS="1").items():
        monkeypatch.setenv(name, value)


def test_a_run_and_its_twin_train_side_by_side(tmp_path, monkeypatch):
    """The twin of this project ends only after the run has trained; it begins first."""
    project = make(tmp_path / "project", stages=WITH_TWIN)
    monkeypatch.setenv("RUNS_DIR", str(project / "runs"))
    two_cores(monkeypatch)
    before, both, *_ = stage_rounds(project)
    assert sorted(both) == ["pretrain", "twin"]
    run_round(project, before, RUNTIME, Stop(), Listener())
    run_round(project, ["twin", "pretrain"], RUNTIME, Stop(), Listener())
    assert not run_stage(project, "twin", Stop(), Listener())
    assert not run_stage(project, "pretrain", Stop(), Listener())


def test_where_one_of_two_stages_fails_the_other_is_stopped_and_the_reason_is_its_own(tmp_path, monkeypatch):
    """The twin would wait for a run that trains to its end."""
    project = make(tmp_path / "project", stages=WITH_TWIN, sparsity__lambda=7)
    monkeypatch.setenv("RUNS_DIR", str(project / "runs"))
    two_cores(monkeypatch)
    run_round(project, ["prepare"], RUNTIME, Stop(), Listener())
    with pytest.raises(StageError, match=r"^pretrain: pretrain: the loss is not finite$"):
        run_round(project, ["twin", "pretrain"], RUNTIME, Stop(), Listener())
    assert not state(project, 7).exists()


@pytest.mark.parametrize(
    ("runtime", "cores", "gpus", "threads"),
    [
        ({}, 1, [], []),
        ({}, 2, [], ["1", "1"]),
        ({}, 9, [], ["4", "4"]),
        ({"threads": 4}, 8, [], ["4", "4"]),
        ({"threads": 4}, 7, [], []),
        ({"processes": 2}, 8, [], []),
        ({}, 8, ["0"], []),
        ({"device": "cpu"}, 8, ["0"], ["4", "4"]),
        ({"device": "cuda:1"}, 8, ["0", "1"], []),
        ({}, 8, ["0", "1"], ["4", "4"]),
    ],
)
def test_two_stages_share_cores_but_no_gpu(monkeypatch, runtime, cores, gpus, threads):
    monkeypatch.setattr(room, "cores", lambda: cores)
    monkeypatch.setattr(room, "gpus", lambda: gpus)
    given = shares(["pretrain", "twin"], RUNTIME.model_copy(update=runtime))
    assert [share["OMP_NUM_THREADS"] for share in given] == threads
    devices = [share.get("CUDA_VISIBLE_DEVICES") for share in given]
    assert None in devices or len(set(devices)) == len(devices)
    assert shares(["embed"], RUNTIME.model_copy(update=runtime)) == []


def test_the_probe_may_take_the_cores_that_its_neighbour_leaves(monkeypatch):
    monkeypatch.setattr(room, "cores", lambda: 4)
    monkeypatch.setattr(room, "gpus", list)
    given = shares(["probe", "interpret"], RUNTIME)
    assert [share["OMP_NUM_THREADS"] for share in given] == ["4", "2"]
