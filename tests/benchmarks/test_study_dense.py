"""Dense baselines: which is the best, and what their tables say."""

import pandas as pd
import pytest
from scipy import stats

from benchmarks import plan, study, study_dense


def rows(setting: str, validation: float, linear: float, seeds=(20, 21, 22)) -> pd.DataFrame:
    scores = {"validation": validation, "linear": linear, "knn": 20.0, "one_percent": 8.0}
    return pd.DataFrame({"setting": setting, "seed": list(seeds), **scores})


@pytest.fixture
def tables(tmp_path, monkeypatch):
    monkeypatch.setattr(study, "STUDIES", tmp_path)
    return tmp_path


def test_the_best_dense_setting_is_chosen_on_validation(tables):
    table = [rows("twin", 25, 30), rows("dense-joined3", 26, 24), rows("default", 40, 40)]
    pd.concat(table).to_csv(tables / "study-clevr_like.csv", index=False)
    assert study_dense.best_dense() == "dense-joined3"


def test_settings_of_fewer_than_three_seeds_are_not_chosen(tables):
    table = [rows("twin", 25, 30, [10, 11, 12, 13]), rows("dense-ema0.97", 90, 30, [10])]
    table.append(rows("dense-joined3", 24, 30, [10, 11, 12]))
    pd.concat(table).to_csv(tables / "study-clevr_like.csv", index=False)
    assert study_dense.best_dense() == "twin"


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


def test_at_more_steps_each_setting_with_rows_is_held_against_dense(tables):
    long = "joined3-steps9600"
    table = [rows(f"dense-{long}", 25, 30), rows(f"{long}-groups-only", 25, 32), rows("default", 25, 99)]
    pd.concat(table).to_csv(tables / "study-scenes.csv", index=False)
    _, _, dense, groups = study_dense.long_table()
    assert dense.startswith(
        "| scenes, 9,600 steps, `joined3` | dense | 3 | 25.0 | 30.0 |"
    ) and dense.endswith("|  |")
    assert groups.startswith("| scenes, 9,600 steps, `joined3` | groups alone | 3 | 25.0 | 32.0 |")
    assert groups.endswith("| +2.0 (+2.0 to +2.0) |")


def test_seeds_that_chose_groups_alone_do_not_count_for_them(tables):
    chose, fresh = [20, 21, 22], [10, 11, 12]
    table = [rows(plan.LONG_DENSE, 25, 30, chose + fresh), rows(plan.LONG_GROUPS, 25, 90, chose)]
    table.append(rows(plan.LONG_GROUPS, 25, 32, fresh).assign(**{"linear, orientation": [59.9, 60.0, 70.0]}))
    pd.concat(table).to_csv(tables / "study-scenes.csv", index=False)
    less = study_dense.long_less("scenes")
    assert (less.mean, less.seeds) == (2, 3)
    assert study_dense.by_seed(plan.LONG_GROUPS, "linear") == "32.0, 32.0 and 32.0"
    assert study_dense.learned(plan.LONG_GROUPS, "orientation") == "2 of 3"


def test_a_slower_target_is_held_against_short_training_and_against_dense_seed_by_seed(tables):
    slow = rows(plan.SLOW_SPARSEJEPA, 25, 34, [20, 21, 22])
    table = [slow, rows("default", 25, 31, [10, 20, 21]), rows(plan.LONG_DENSE, 25, 30, [21, 22, 23])]
    pd.concat(table).to_csv(tables / "study-scenes.csv", index=False)
    short, dense = study_dense.slow_less("linear"), study_dense.slow_less_dense("linear")
    assert (short.mean, short.seeds) == (3, 2) and (dense.mean, dense.seeds) == (4, 2)
    assert study_dense.seed_20(plan.SLOW_SPARSEJEPA, "linear") == "34.0"
    assert study_dense.by_seed(plan.SLOW_SPARSEJEPA, "linear", seeds=[21, 22]) == "34.0 and 34.0"


def test_p_of_groups_alone_counts_both_targets_that_ran_on_the_fresh_seeds(tables):
    table = [rows(plan.LONG_DENSE, 25, 30, plan.FRESH)]
    for setting, gains in ((plan.SLOW_GROUPS, [1, 2, 3, 2, 2]), (plan.LONG_GROUPS, [0, 0, 1, -1, 0])):
        gained = rows(setting, 25, 30, plan.FRESH)
        table.append(gained.assign(linear=gained["linear"] + gains))
    pd.concat(table).to_csv(tables / "study-scenes.csv", index=False)
    alone = stats.ttest_1samp([1, 2, 3, 2, 2], 0).pvalue
    assert study_dense.long_p(plan.LONG_DENSE) == pytest.approx(2 * alone)


def test_the_slower_target_is_tabled_by_label_on_fresh_seeds_alone(tables):
    labels = {f"linear, {name}": 50.0 for name in ("light", "orientation", "count")}
    table = [rows(name, 25, 30, [10, 11]).assign(**labels) for name in study_dense.SLOW_OTHERS.values()]
    table.append(rows(plan.SLOW_GROUPS, 25, 36, [10, 11, 20]).assign(**labels | {"linear, light": 90.0}))
    pd.concat(table).to_csv(tables / "study-scenes.csv", index=False)
    _, _, dense, *_ = study_dense.slow_table()
    same, light = "+0.0 (+0.0 to +0.0)", "+40.0 (+40.0 to +40.0)"
    assert (
        dense
        == f"| dense, fast target | 2 | +6.0 (+6.0 to +6.0) | {same} | {same} | {light} | {same} | {same} |"
    )


def test_a_dense_setting_shows_its_seed_of_cifar10_where_it_ran_there(tables):
    table = [rows("dense-base", 25, 30), rows("dense-none", 24, 29), rows("dense-depth2", 26, 31)]
    pd.concat(table).to_csv(tables / "study-cifar100.csv", index=False)
    table = [rows("twin-weight0.03", 50, 49.5, [10, 11]), rows("dense-none", 50, 48.5, [10])]
    pd.concat(table).to_csv(tables / "study-cifar10.csv", index=False)
    _, _, depth2, base, none = study_dense.dense_table()
    assert [line.rsplit("|", 2)[1].strip() for line in (depth2, base, none)] == ["—", "49.5", "48.5"]
