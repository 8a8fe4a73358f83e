"""A committed row is checked by running it again."""

import pandas as pd
import pytest
import yaml

from benchmarks.study import check, stacks
from benchmarks.study.settings import Cell
from pipeline.data.store import open_set
from pipeline.files import InputError


@pytest.mark.slow
def test_a_committed_row_is_checked_by_running_it_again(finished_run, tables, tmp_path, monkeypatch, capsys):
    tree = finished_run.params.model_dump(mode="json", by_alias=True)
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(tree))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(stacks, "PROBES", 1)
    data, cell = (
        finished_run.root / "artifacts/data" / finished_run.params.data.name,
        Cell("lambda0", 10),
    )
    stacks.train(stacks.Job("scenes", [cell], data, tables / "study-scenes.csv", tables / "states"))
    assert check.check("scenes", data, None, cell) == 0
    assert "linear probe: 0.00 points off" in capsys.readouterr().out
    row = pd.read_csv(tables / "study-scenes.csv").iloc[0]
    other = row.copy()
    other["linear"] += 5
    assert check.compare(row, row) == 0 and check.compare(row, other) == 1
    with pytest.raises(InputError, match=r"^scenes: no row of lambda0, seed 11$"):
        check.check("scenes", None, None, Cell("lambda0", 11))


def test_a_set_is_prepared_where_none_is_given(finished_run, tmp_path, monkeypatch):
    tree = finished_run.params.model_dump(mode="json", by_alias=True)
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(tree))
    monkeypatch.chdir(tmp_path)
    name = finished_run.params.data.name
    made = open_set(check.prepare("scenes", None, tmp_path))
    shipped = open_set(finished_run.root / "artifacts/data" / name)
    assert made.counts == shipped.counts
    assert (made.split("test").images == shipped.split("test").images).all()
