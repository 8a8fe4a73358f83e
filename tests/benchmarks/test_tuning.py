"""The study of settings around the default: its rows and its page."""

import pandas as pd
import pytest
import yaml

from benchmarks import tuning


def rows(setting: str, validation: float, linear: float) -> pd.DataFrame:
    seeds = [*tuning.FRESH, *tuning.TUNING]
    content = {"setting": setting, "seed": seeds, "zero_share": 0.5, "validation": validation}
    scores = {"linear": [linear + 0.1 * (seed % 2) for seed in seeds], "knn": 1.0, "one_percent": 2.0}
    return pd.DataFrame(content | scores)


def test_the_twin_is_chosen_on_validation_and_differences_are_paired(monkeypatch, tmp_path):
    monkeypatch.setattr(tuning, "STUDIES", tmp_path)
    table = [
        rows("twin", 50.0, 80.0),  # the better test accuracy, but not the better validation
        rows("twin-weight0.3", 60.0, 70.0),
        rows("default", 65.0, 75.0),
        rows("lambda0", 64.0, 74.0),
    ]
    pd.concat(table).to_csv(tmp_path / "tuning-scenes.csv", index=False)
    page = tuning.page("a note")
    assert "a note" in page and "chosen on validation is `twin-weight0.3`" in page
    line = next(line for line in page.splitlines() if line.startswith("| `default`"))
    assert line.endswith("| +5.00 (+5.00 to +5.00; 6 seeds) |")
    assert "* linear: +1.00 (+1.00 to +1.00; 6 seeds)." in page


def test_a_stack_leaves_a_row_a_seed(finished_run, tmp_path, monkeypatch):
    tree = finished_run.params.model_dump(mode="json", by_alias=True)
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(tree))
    monkeypatch.chdir(tmp_path)
    monkeypatch.delitem(tuning.SCORES, "one_percent")  # of 300 images it is too few
    monkeypatch.setattr(tuning, "FRESH", (10,))
    monkeypatch.setattr(tuning, "TUNING", (20,))
    data = finished_run.root / "artifacts/data" / finished_run.params.data.name
    tuning.train(tuning.Job("scenes", "lambda0", data, tmp_path / "rows.csv"))
    written = pd.read_csv(tmp_path / "rows.csv")
    assert written["seed"].tolist() == [10, 20] and set(written["setting"]) == {"lambda0"}
    assert (written["zero_share"] == 0).all()
    labels = [column for column in written.columns if column.startswith("linear, ")]
    assert written["linear"].tolist() == pytest.approx(written[labels].mean(axis=1).tolist())
