"""The study of settings around the default: its rows and its page."""

import pandas as pd

from benchmarks.study import tuning


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
