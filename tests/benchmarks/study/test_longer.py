"""Longer training and transfer: which seeds count, and what the tables say."""

import pandas as pd
import pytest
from scipy import stats
from study_rows import rows

from benchmarks.study import baselines, longer, plan, transfer


def test_at_more_steps_each_setting_with_rows_is_held_against_dense(tables):
    long = "joined3-steps9600"
    table = [rows(f"dense-{long}", 25, 30), rows(f"{long}-groups-only", 25, 32), rows("default", 25, 99)]
    pd.concat(table).to_csv(tables / "study-scenes.csv", index=False)
    _, _, dense, groups = longer.long_table()
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
    less = longer.long_less("scenes")
    assert (less.mean, less.seeds) == (2, 3)
    assert baselines.by_seed(plan.LONG_GROUPS, "linear") == "32.0, 32.0 and 32.0"
    assert longer.learned(plan.LONG_GROUPS, "orientation") == "2 of 3"


def test_a_slower_target_is_held_against_short_training_and_against_dense_seed_by_seed(tables):
    slow = rows(plan.SLOW_SPARSEJEPA, 25, 34, [20, 21, 22])
    table = [slow, rows("default", 25, 31, [10, 20, 21]), rows(plan.LONG_DENSE, 25, 30, [21, 22, 23])]
    pd.concat(table).to_csv(tables / "study-scenes.csv", index=False)
    short, dense = longer.slow_less("linear"), longer.slow_less_dense("linear")
    assert (short.mean, short.seeds) == (3, 2) and (dense.mean, dense.seeds) == (4, 2)
    assert baselines.seed_20(plan.SLOW_SPARSEJEPA, "linear") == "34.0"
    assert baselines.by_seed(plan.SLOW_SPARSEJEPA, "linear", seeds=[21, 22]) == "34.0 and 34.0"


def test_p_of_groups_alone_counts_both_targets_that_ran_on_the_fresh_seeds(tables):
    table = [rows(plan.LONG_DENSE, 25, 30, plan.FRESH)]
    for setting, gains in ((plan.SLOW_GROUPS, [1, 2, 3, 2, 2]), (plan.LONG_GROUPS, [0, 0, 1, -1, 0])):
        gained = rows(setting, 25, 30, plan.FRESH)
        table.append(gained.assign(linear=gained["linear"] + gains))
    pd.concat(table).to_csv(tables / "study-scenes.csv", index=False)
    alone = stats.ttest_1samp([1, 2, 3, 2, 2], 0).pvalue
    assert longer.long_p(plan.LONG_DENSE) == pytest.approx(2 * alone)


def test_the_slower_target_is_tabled_by_label_on_fresh_seeds_alone(tables):
    labels = {f"linear, {name}": 50.0 for name in ("light", "orientation", "count")}
    table = [rows(name, 25, 30, [10, 11]).assign(**labels) for name in longer.SLOW_OTHERS.values()]
    table.append(rows(plan.SLOW_GROUPS, 25, 36, [10, 11, 20]).assign(**labels | {"linear, light": 90.0}))
    pd.concat(table).to_csv(tables / "study-scenes.csv", index=False)
    _, _, dense, *_ = longer.slow_table()
    same, light = "+0.0 (+0.0 to +0.0)", "+40.0 (+40.0 to +40.0)"
    assert (
        dense
        == f"| dense, fast target | 2 | +6.0 (+6.0 to +6.0) | {same} | {same} | {light} | {same} | {same} |"
    )


def test_the_long_run_stands_beside_the_same_seed_of_shorter_training(tables):
    scores = dict.fromkeys(longer.LONGEST_SCORES.values(), 20.0)
    levels = dict(zip(plan.LONGEST, (35.0, 33.0), strict=True))
    levels |= {plan.LONGEST_WEAKER: 34.5, plan.STRETCHED_DENSE: 31.0, plan.STRETCHED_SPARSEJEPA: 31.5}
    table = [rows(name, 25, 30, [20]).assign(**scores | {"linear": level}) for name, level in levels.items()]
    table.append(rows(plan.STRETCHED_DENSE, 25, 99, [10]).assign(**scores))
    pd.concat(table).to_csv(tables / "study-cifar100.csv", index=False)
    _, _, linear, *_ = longer.longest_table()
    assert linear == "| linear probe | 35.0 | 33.0 | -2.0 | 34.5 | -0.5 | 31.0 | 31.5 | +0.5 |"
    assert longer.longest_less("linear") == -2
    assert longer.gains_by_length(plan.LONGEST[0], plan.STRETCHED_DENSE) == "+4.0"


def test_what_zeros_add_at_length_is_of_fresh_seeds(tables):
    sparse, control = plan.STRETCHED_SPARSEJEPA, f"{plan.STRETCHED_SPARSEJEPA}-lambda0"
    table = [rows(sparse, 25, 32, [10, 11, 20]), rows(control, 25, 29, [10, 11]), rows(control, 25, 0, [20])]
    pd.concat(table).to_csv(tables / "study-cifar100.csv", index=False)
    less = longer.zeros_add_at_length("linear")
    assert (less.mean, less.seeds) == (3, 2)


def test_transfer_counts_fresh_seeds_where_there_are_any(tables):
    columns = [f"{dataset}, {label}" for dataset, label in transfer.TASKS]
    table = []
    for setting, dense in transfer.PAIRS.values():
        for name, level in ((setting, 44.0), (dense, 40.0)):
            of_setting = rows(
                name, 25, 30, [20] if name in (*plan.LONGEST, plan.LONGEST_WEAKER) else [10, 11, 20]
            )
            table.append(of_setting.assign(**dict.fromkeys(columns, level)))
            table[-1].loc[table[-1]["seed"] == 20, columns] += 0.5 * (name == setting)
    pd.concat(table).drop_duplicates(["setting", "seed"]).to_csv(tables / "study-cifar100.csv", index=False)
    less = transfer.transfer_less(transfer.AT_LENGTH, "clevr_like", "count_all")
    assert (less.mean, less.seeds) == (4, 2)
    *_, longest = transfer.transfer_table()
    assert longest.startswith("| the same, module of weight .3 | 1 | 44.5 | +4.5 |")


def test_forms_at_length_are_corrected_for_their_number(tables):
    noise = [0.1, 0.3, 0.2]
    table = [rows(plan.STRETCHED_DENSE, 25, 30, [10, 11, 12]), rows(plan.STRETCHED_DENSE, 25, 0, [20])]
    for at, form in enumerate(longer.STRETCHED_FORMS.values()):
        of_form = rows(form, 25, 30, [10, 11, 12])
        table.append(of_form.assign(linear=[30 + at + step for step in noise]))
    pd.concat(table).to_csv(tables / "study-cifar100.csv", index=False)
    corrected = longer.stretched_p()
    alone = stats.ttest_1samp([3.1, 3.3, 3.2], 0).pvalue
    assert corrected[longer.LIGHT_TITLE] == pytest.approx(4 * alone)
    *_, light = longer.stretched_table()
    assert light.startswith(
        f"| {longer.LIGHT_TITLE} | 33.1, 33.3 and 33.2 | +3.2 (+3.0 to +3.4) | .001 | +0.0"
    )
