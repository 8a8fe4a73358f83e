"""A study is a list of sweeps that `python -m pipeline sweep` takes, and a report that reads their tables."""

import sys

import pytest

from benchmarks.methods import PRESETS, STUDIES, report, sweeps
from pipeline.__main__ import main
from tests.orchestration.mini_project import make


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    return make(tmp_path_factory.mktemp("study") / "project")


@pytest.mark.parametrize("dataset", PRESETS)
@pytest.mark.parametrize("study", STUDIES)
def test_every_sweep_of_a_study_is_one_that_sweep_accepts(study, dataset, project, monkeypatch, capsys):
    settings = [f"data.root={project}"] if dataset == "folder" else []
    monkeypatch.chdir(project)
    for words in sweeps(study, dataset, "0,1", settings, jobs=0):
        assert words[:3] == ["python", "-m", "pipeline"]
        monkeypatch.setattr(sys, "argv", [*words[2:], "--dry-run"])
        assert main() == 0
        cells = 12 if study == "lambda" else 2
        assert f"{cells} cells, {cells} to run" in capsys.readouterr().out


@pytest.mark.parametrize("study", STUDIES)
def test_the_report_reads_the_table_of_every_sweep(study):
    names = [words[words.index("--name") + 1] for words in sweeps(study, "scenes", "0", [], jobs=0)]
    assert len(set(names)) == len(names)
    tables = [word for word in report(study, "scenes") if word.endswith(".csv")]
    assert tables == [f"reports/sweeps/{name}.csv" for name in names]
