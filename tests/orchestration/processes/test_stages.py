"""Stages run one by one through DVC."""

import pytest

from pipeline.files import InputError
from pipeline.orchestration.processes.listen import Listener
from pipeline.orchestration.processes.stages import StageError, run_stage, stage_order
from pipeline.orchestration.processes.stop import Stop
from pipeline.progress import Progress
from tests.orchestration.mini_project import environment, make


class Recorder(Listener):
    def __init__(self) -> None:
        self.reports: list[Progress] = []

    def progress(self, progress: Progress) -> None:
        self.reports.append(progress)


def test_a_stage_runs_once_reports_its_progress_and_is_then_cached(tmp_path, monkeypatch):
    project, recorder = make(tmp_path / "project"), Recorder()
    monkeypatch.setenv("PYTHONPATH", environment()["PYTHONPATH"])
    first, second, *_ = stage_order(project)
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
        stage_order(tmp_path)
