"""dvc.yaml read as a graph."""

import yaml
from conftest import REPOSITORY

from pipeline import graph

GRAPH = yaml.safe_load((REPOSITORY / "dvc.yaml").read_text())["stages"]


def test_the_stages_run_in_the_order_of_the_graph_whatever_the_order_of_the_file():
    order = graph.stage_order(dict(reversed(GRAPH.items())))
    assert order[0] == "prepare" and set(order[1:3]) == {"pretrain", "twin"}  # the twin reads no sparsity
    assert order[3] == "embed" and order[-1] == "report"
    assert set(order[4:6]) == {"probe", "interpret"}  # neither reads what the other writes


def test_code_is_what_stages_read_and_none_writes():
    code = graph.code(GRAPH)
    assert "pipeline/jepa" in code and "stages/report.py" in code
    assert not any(path.startswith(("artifacts", "reports")) for path in code)
    assert all((REPOSITORY / path).exists() for path in code)


def test_a_file_is_inside_its_folder_and_a_longer_name_is_not():
    assert graph.is_inside("pipeline/data/store.py", "pipeline/data")
    assert graph.is_inside("pipeline/data", "pipeline/data")
    assert not graph.is_inside("pipeline/database.py", "pipeline/data")
