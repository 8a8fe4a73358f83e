"""Dense baselines: which is the best, and what their tables say."""

import pandas as pd
import pytest

from benchmarks import study, study_dense


def rows(setting: str, validation: float, linear: float, seeds=(20, 21, 22)) -> pd.DataFrame:
    scores = {"validation": validation, "linear": linear, "knn": 20.0, "one_percent": 8.0}
    return pd.DataFrame({"setting": setting, "seed": list(seeds), **scores})


@pytest.fixture
def tables(tmp_path, monkeypatch):
    monkeypatch.setattr(study, "STUDIES", tmp_path)
    return tmp_path


def test_the_best_dense_setting_is_chosen_on_validation(tables):
    table = [rows("dense-base", 25, 30), rows("dense-depth2", 26, 24), rows("default", 40, 40)]
    pd.concat(table).to_csv(tables / "study-cifar100.csv", index=False)
    assert study_dense.best_dense("cifar100") == "dense-depth2"


def test_settings_of_fewer_than_three_seeds_are_not_chosen(tables):
    table = [rows("twin", 25, 30, [10, 11, 12, 13]), rows("dense-ema0.97", 90, 30, [10])]
    table.append(rows("dense-joined3", 24, 30, [10, 11, 12]))
    pd.concat(table).to_csv(tables / "study-clevr_like.csv", index=False)
    assert study_dense.best_dense("clevr_like") == "twin"


def test_a_dense_setting_is_named_by_its_params():
    changes = {"model.depth": 2, "augment.crop_scale": [0.25, 1.0], "pretrain.steps": 10}
    assert study_dense.describe(changes) == "`model.depth=2`, `augment.crop_scale=[0.25,1.0]`"
    assert study_dense.describe({"pretrain.steps": 10}) == "none"


def test_joined_settings_are_compared_by_the_seeds_that_both_have(tables):
    table = [rows("dense-joined3", 25, 30), rows("joined3", 25, 31, [21, 22, 23])]
    pd.concat(table).to_csv(tables / "study-cifar100.csv", index=False)
    less = study_dense.joined_less("cifar100")
    assert (less.mean, less.seeds) == (1, 2)
    *_, row = study_dense.joined_table()
    assert row.startswith("| CIFAR-100, `joined3` | 2 | 30.0 | 31.0 | +1.0 (+1.0 to +1.0) |"), row


def test_longer_runs_are_paired_by_seed(tables):
    table = [rows("twin-weight0.03", 25, 25), rows("default", 25, 27), rows("twin-steps9600", 25, 28, [20])]
    table.append(rows("steps9600", 25, 29, [20, 21]))
    pd.concat(table).to_csv(tables / "study-cifar100.csv", index=False)
    *_, short, long = study_dense.longer_table()
    assert short == "| 2,400 | 3 | 25.0 | 27.0 | +2.0 | 20.0 | 20.0 |"
    assert long == "| 9,600 | 1 | 28.0 | 29.0 | +1.0 | 20.0 | 20.0 |"
