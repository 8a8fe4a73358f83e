"""Dense baselines: which is the best, and what their tables say."""

import pandas as pd
from study_rows import rows

from benchmarks.study import baselines


def test_the_best_dense_setting_is_chosen_on_validation(tables):
    table = [rows("twin", 25, 30), rows("dense-joined3", 26, 24), rows("default", 40, 40)]
    pd.concat(table).to_csv(tables / "study-clevr_like.csv", index=False)
    assert baselines.best_dense() == "dense-joined3"


def test_settings_of_fewer_than_three_seeds_are_not_chosen(tables):
    table = [rows("twin", 25, 30, [10, 11, 12, 13]), rows("dense-ema0.97", 90, 30, [10])]
    table.append(rows("dense-joined3", 24, 30, [10, 11, 12]))
    pd.concat(table).to_csv(tables / "study-clevr_like.csv", index=False)
    assert baselines.best_dense() == "twin"


def test_a_dense_setting_is_named_by_its_params():
    changes = {"model.depth": 2, "augment.crop_scale": [0.25, 1.0], "pretrain.steps": 10}
    assert baselines.describe(changes) == "`model.depth=2`, `augment.crop_scale=[0.25,1.0]`"
    assert baselines.describe({"pretrain.steps": 10}) == "none"


def test_joined_settings_are_compared_by_the_seeds_that_both_have(tables):
    table = [rows("dense-joined3", 25, 30), rows("joined3", 25, 31, [21, 22, 23])]
    pd.concat(table).to_csv(tables / "study-cifar100.csv", index=False)
    less = baselines.joined_less("cifar100")
    assert (less.mean, less.seeds) == (1, 2)
    *_, row = baselines.joined_table()
    assert row.startswith("| CIFAR-100, `joined3` | 2 | 30.0 | 31.0 | +1.0 (+1.0 to +1.0) |"), row


def test_a_dense_setting_shows_its_seed_of_cifar10_where_it_ran_there(tables):
    table = [rows("dense-base", 25, 30), rows("dense-none", 24, 29), rows("dense-depth2", 26, 31)]
    pd.concat(table).to_csv(tables / "study-cifar100.csv", index=False)
    table = [rows("twin-weight0.03", 50, 49.5, [10, 11]), rows("dense-none", 50, 48.5, [10])]
    pd.concat(table).to_csv(tables / "study-cifar10.csv", index=False)
    _, _, depth2, base, none = baselines.dense_table()
    assert [line.rsplit("|", 2)[1].strip() for line in (depth2, base, none)] == ["—", "49.5", "48.5"]
