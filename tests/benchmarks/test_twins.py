"""The table of runs beside their twins says what the metrics files say."""

import sys

import pandas as pd
import pytest

from benchmarks import twins
from pipeline.contracts import probe
from pipeline.layout import metrics_file


def test_a_row_holds_the_runs_own_numbers(finished_run, tmp_path, monkeypatch, capsys):
    words = [
        "twins",
        "a",
        f"run={finished_run.root}",
        f"again={finished_run.root}",
        "--folder",
        str(tmp_path),
    ]
    monkeypatch.setattr(sys, "argv", [*words, "--note", "Two threads."])
    assert twins.main() == 0
    rows = pd.read_csv(tmp_path / "a.csv")
    assert list(rows["setting"]) == ["again", "run"] and rows["seed"].tolist() == [0, 0]
    summary = probe.read(finished_run.root / metrics_file("probe")).summary["scenes"]
    assert summary.less_twin is not None
    difference = rows["linear"] - rows["linear, twin"]
    assert difference[0] == pytest.approx(100 * summary.less_twin["accuracy"].mean, abs=1e-3)
    page = (tmp_path / "a.md").read_text()
    assert capsys.readouterr().out == f"{page}\n" and "Two threads." in page
    assert "* run less its twin, linear, 1 seed: " in page
    assert all(f"| {setting} | 0 |" in page for setting in ("run", "again"))


def test_a_folder_without_metrics_is_one_line(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["twins", "a", f"run={tmp_path}", "--folder", str(tmp_path)])
    assert twins.main() == 1
    assert capsys.readouterr().err.startswith(f"error: {tmp_path}/reports/metrics/pretrain.json: not found")
