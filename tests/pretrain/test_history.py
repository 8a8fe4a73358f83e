"""The history can be read while a run goes on, row by row, and every row is whole."""

import pandas as pd
import torch

from pipeline.pretrain import history
from pipeline.pretrain.history import LiveTable
from pipeline.pretrain.loop import train
from tests.pretrain.small_run import build_run


def test_a_growing_table_is_whole_and_not_written_more_often_than_is_useful(tmp_path, monkeypatch):
    now = [100.0]
    monkeypatch.setattr(history.time, "monotonic", lambda: now[0])
    table, rows = LiveTable(tmp_path / "plots/training.csv"), [{"step": 0, "loss": 1.5}]
    table(rows)
    rows.append({"step": 2, "loss": 1.0, "rankme": 7.0})
    table(rows)
    assert len(pd.read_csv(table.path)) == 1
    now[0] += history.SECONDS
    table(rows)
    assert pd.read_csv(table.path)["step"].tolist() == [0, 2]
    assert [file.name for file in table.path.parent.iterdir()] == ["training.csv"]


def test_a_run_shows_its_rows_before_it_ends(small_tree, tmp_path, monkeypatch):
    table = LiveTable(tmp_path / "training.csv")
    monkeypatch.setattr(history, "SECONDS", 0.0)
    monkeypatch.setattr(history, "SHARE", float("inf"))
    run = build_run(small_tree, tmp_path / "run")._replace(show_history=table)
    train_step, seen = run.trainer.train_step, []

    def looking(images: torch.Tensor, step: int) -> dict[str, torch.Tensor]:
        seen.append(pd.read_csv(table.path)["step"].tolist() if table.path.exists() else [])
        return train_step(images, step)

    monkeypatch.setattr(run.trainer, "train_step", looking)
    train(run)
    assert seen == [[], [], [0, 2], [0, 2], [0, 2, 4], [0, 2, 4]]
    assert pd.read_csv(table.path)["step"].tolist() == [0, 2, 4, 6]
