"""The table of a study: a setting's mean over seeds, and its gain over the baseline seed by seed."""

import pandas as pd
import pytest

from benchmarks import methods_report
from pipeline.files import InputError
from tests.orchestration.mini_project import make, pipeline

SWEPT = ("sweep", "--lambda", "0,0.1,7", "--seeds", "0,1", "--jobs", "2", "--set", "pretrain.steps=4")


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    """Of a sweep in which lambda 7 fails."""
    project = make(tmp_path_factory.mktemp("swept") / "project")
    done = pipeline(project, *SWEPT, "--name", "lambda-scenes")
    assert done.returncode == 1, done.stdout + done.stderr
    return project / "reports/sweeps/lambda-scenes.csv"


def test_a_setting_has_its_mean_over_seeds_and_its_gain_over_the_baseline_by_seed(table):
    rows, missing = methods_report.read("lambda-scenes", [table], by="sparsity.lambda")
    page = methods_report.page("lambda-scenes", [table], rows, missing)
    cells = pd.read_csv(table)
    mean, spread = (
        100 * cells[cells["sparsity.lambda"] == 0.1]["accuracy"].agg(how) for how in ("mean", "std")
    )
    assert f"| 0.1 | {mean:.1f} ± {spread:.1f} | −1.0, −1.0 |" in page
    assert "2 cells are not done" in page and "| 7 |" not in page


def test_the_page_says_command_commit_and_device_of_every_sweep(table):
    rows, missing = methods_report.read("lambda-scenes", [table], by="sparsity.lambda")
    page = methods_report.page("lambda-scenes", [table], rows, missing)
    assert "`python -m pipeline sweep --lambda 0,0.1,7 --seeds 0,1" in page
    assert "Commit " in page and "cpu: mini" in page


def test_without_a_column_a_sweep_is_a_setting(table):
    rows, _ = methods_report.read("lambda", [table], by=None)
    assert set(rows["setting"]) == {"scenes"}


def test_the_figure_shows_every_setting(table, tmp_path):
    rows, _ = methods_report.read("lambda-scenes", [table], by="sparsity.lambda")
    methods_report.draw(rows, "sparsity.lambda", tmp_path / "lambda.svg")
    figure = (tmp_path / "lambda.svg").read_text()
    assert ">0.1</text>" in figure and ">sparsity.lambda</text>" in figure


def test_a_missing_table_and_an_unknown_column_are_named(table, tmp_path):
    with pytest.raises(InputError, match=r"absent.csv: not found"):
        methods_report.read("lambda-scenes", [tmp_path / "absent.csv"], by=None)
    with pytest.raises(InputError, match=r"--by: .* no column 'sparsity.beta'"):
        methods_report.read("lambda-scenes", [table], by="sparsity.beta")
