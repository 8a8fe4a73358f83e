"""dvc.yaml read as a graph."""

import json

import pandas as pd
import yaml
from conftest import REPOSITORY

from pipeline import graph

FILE = yaml.safe_load((REPOSITORY / "dvc.yaml").read_text())
GRAPH = FILE["stages"]


def test_the_stages_run_in_the_order_of_the_graph_whatever_the_order_of_the_file():
    order = graph.stage_order(dict(reversed(GRAPH.items())))
    assert order[:2] == ["params", "prepare"]
    assert set(order[2:4]) == {"pretrain", "twin"}  # the twin reads no sparsity
    assert order[4] == "embed" and order[-1] == "report"
    assert set(order[5:7]) == {"probe", "interpret"}  # neither reads what the other writes


def test_code_is_what_stages_read_and_none_writes():
    code = graph.code(GRAPH)
    assert "pipeline/jepa" in code and "stages/report.py" in code
    assert not any(path.startswith(("artifacts", "reports")) for path in code)
    assert all((REPOSITORY / path).exists() for path in code)


def test_a_file_is_inside_its_folder_and_a_longer_name_is_not():
    assert graph.is_inside("pipeline/data/store.py", "pipeline/data")
    assert graph.is_inside("pipeline/data", "pipeline/data")
    assert not graph.is_inside("pipeline/database.py", "pipeline/data")


def test_dvc_lists_one_small_metrics_file_and_plots_one_column_each_of_no_detail_table():
    metrics = [next(iter(each)) for entry in GRAPH.values() for each in entry.get("metrics", [])]
    assert metrics == ["reports/metrics/summary.json"]
    assert not any("plots" in entry for entry in GRAPH.values())  # DVC would draw every column of them
    curves = [plot for plot in FILE["plots"] if isinstance(plot, dict)]
    for plot in curves:
        ((name, curve),) = plot.items()
        ((table, column),) = curve["y"].items()
        assert column == name and curve["template"] == "curve"
        assert pd.read_csv(REPOSITORY / table)[[curve["x"], column]].dropna().shape[0] > 1
    template = json.loads((REPOSITORY / ".dvc/plots/curve.json").read_text())
    assert "!== ''" in template["transform"][0]["filter"]  # a blank is no zero
    assert len(curves) == 4
