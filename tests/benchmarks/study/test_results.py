"""The rows of the study: what validation chose, and what the plan still lacks."""

import pandas as pd
from study_rows import rows

from benchmarks.study import plan, results, train
from benchmarks.study.plan import TUNING
from benchmarks.study.settings import Cell


def test_a_setting_is_chosen_on_validation(tables):
    table = pd.concat([rows("twin", 60, linear=90), rows("twin-weight0.03", 61, linear=10)])
    assert results.chosen(plan.BASELINE, table) == "twin-weight0.03"
    assert results.chosen("RDMReg", table) is None
    assert results.chosen("top-k groups", table) == "topk-4"  # it has no other


def test_what_has_a_row_is_not_trained_again_and_cifar10_is_never_tuned(tables):
    everything = results.missing("scenes")
    assert Cell("twin", 20) in everything and Cell("lambda0", 10) in everything
    rows("twin", 60).to_csv(tables / "tuning-scenes.csv", index=False)
    rows("lambda0", 60, seeds=[10]).to_csv(tables / "study-scenes.csv", index=False)
    left = results.missing("scenes")
    assert set(everything) - set(left) == {*(Cell("twin", seed) for seed in TUNING), ("lambda0", 10)}
    assert Cell("twin", 10) in left  # chosen, as the only one of its method with rows
    assert not {seed for _, seed in results.missing("cifar10")} & set(TUNING)


def test_a_rival_that_reads_less_than_the_twin_on_each_tuning_seed_needs_no_fresh_seeds(tables):
    twin, rival, part = rows("twin", 60), rows("topk-4", 59), rows("groups-only", 59)

    def on_fresh_seeds() -> set[str]:
        pd.concat([twin, rival, part]).to_csv(tables / "study-scenes.csv", index=False)
        return {cell.setting for cell in results.missing("scenes") if cell.seed in plan.FRESH}

    assert "groups-only" in on_fresh_seeds() and "topk-4" not in on_fresh_seeds()
    rival.loc[2, "validation"] = 60.0
    assert "topk-4" in on_fresh_seeds()
    rival = rival[:2]  # a tuning seed is left
    assert "topk-4" in on_fresh_seeds()


def test_photographs_take_the_strength_of_a_rival_that_scenes_chose(tables):
    pd.concat([rows("l1-1", 60), rows("l1-3", 50)]).to_csv(tables / "study-scenes.csv", index=False)
    on_tuning_seeds = {cell.setting for cell in results.missing("cifar100") if cell.seed in TUNING}
    assert "l1-1" in on_tuning_seeds and not {"l1-0.3", "l1-3"} & on_tuning_seeds
    assert set(plan.METHODS["group lasso"]) <= on_tuning_seeds  # scenes have not chosen


def test_runs_that_differ_in_lambda_and_seed_are_one_stack():
    cells = [Cell(name, seed) for name in ("default", "lambda0", "twin") for seed in (10, 11)]
    assert train.stacks("scenes", cells) == [cells[:4], cells[4:]]


def test_earlier_numbers_of_a_run_stay_and_new_columns_join(tables):
    rows("twin", 60).to_csv(tables / "tuning-scenes.csv", index=False)
    rows("twin", 1).assign(noise60=7.0).to_csv(tables / "study-scenes.csv", index=False)
    table = results.read("scenes")
    assert table["validation"].tolist() == [60, 60, 60] and table["noise60"].tolist() == [7, 7, 7]
