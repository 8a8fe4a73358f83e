"""The study: what is trained, what is chosen, and that its pages are of the committed rows."""

import pandas as pd
import pytest
import yaml

from benchmarks import plan, stacks, study, study_numbers, study_page, study_tables
from benchmarks.tuning import TUNING
from pipeline.data.store import open_set
from pipeline.files import InputError


def rows(setting: str, validation: float, seeds=TUNING, linear: float = 50.0) -> pd.DataFrame:
    return pd.DataFrame({"setting": setting, "seed": list(seeds), "validation": validation, "linear": linear})


@pytest.fixture
def tables(tmp_path, monkeypatch):
    monkeypatch.setattr(study, "STUDIES", tmp_path)
    return tmp_path


def test_the_pages_are_of_the_committed_rows():
    for path, text in study_page.pages().items():
        assert path.read_text() == text


def test_a_verdict_on_weak_predictors_needs_its_rows(monkeypatch):
    monkeypatch.setattr(study_page, "gains_most_from_linear", lambda dataset: True)
    with pytest.raises(ValueError, match="no longer bear what is said of: weak predictors"):
        study_page.pages()


def test_the_gain_counts_as_largest_where_it_is_on_every_seed(tables):
    dense = [rows(name, 60, linear=50) for name in ("twin", "twin-predictor-linear")]
    sparse = [rows("default", 60, linear=55), rows("predictor-linear", 60, linear=56)]
    pd.concat([*dense, *sparse]).to_csv(tables / "study-scenes.csv", index=False)
    assert study_tables.gains_most_from_linear("scenes")
    sparse[1].loc[1, "linear"] = 54
    pd.concat([*dense, *sparse]).to_csv(tables / "study-scenes.csv", index=False)
    assert not study_tables.gains_most_from_linear("scenes")
    pd.concat([*dense, sparse[0], sparse[1].iloc[:1]]).to_csv(tables / "study-scenes.csv", index=False)
    assert not study_tables.gains_most_from_linear("scenes")


def test_lambda_is_read_along_seeds_that_ran_at_each_strength(tables):
    alone = rows("default", 60, seeds=[11, 12], linear=90)
    table = [rows(name, 60, seeds=[10], linear=50) for name in ("lambda0", "default")]
    pd.concat([*table, alone]).assign(zero_share=0.5).to_csv(tables / "study-cifar10.csv", index=False)
    [linear] = [line for line in study_tables.dial_table() if line.startswith("| CIFAR-10: linear")]
    assert linear == "| CIFAR-10: linear probe, % | 50.0 | — | — | 50.0 | — | — |"


def test_a_setting_is_chosen_on_validation(tables):
    table = pd.concat([rows("twin", 60, linear=90), rows("twin-weight0.03", 61, linear=10)])
    assert study.chosen(plan.BASELINE, table) == "twin-weight0.03"
    assert study.chosen("RDMReg", table) is None
    assert study.chosen("top-k groups", table) == "topk-4"  # it has no other


def test_what_has_a_row_is_not_trained_again_and_cifar10_is_never_tuned(tables):
    everything = study.missing("scenes")
    assert study.Cell("twin", 20) in everything and study.Cell("lambda0", 10) in everything
    rows("twin", 60).to_csv(tables / "tuning-scenes.csv", index=False)
    rows("lambda0", 60, seeds=[10]).to_csv(tables / "study-scenes.csv", index=False)
    left = study.missing("scenes")
    assert set(everything) - set(left) == {*(study.Cell("twin", seed) for seed in TUNING), ("lambda0", 10)}
    assert study.Cell("twin", 10) in left  # chosen, as the only one of its method with rows
    assert not {seed for _, seed in study.missing("cifar10")} & set(TUNING)


def test_a_rival_that_reads_less_than_the_twin_on_each_tuning_seed_needs_no_fresh_seeds(tables):
    twin, rival, part = rows("twin", 60), rows("topk-4", 59), rows("groups-only", 59)

    def on_fresh_seeds() -> set[str]:
        pd.concat([twin, rival, part]).to_csv(tables / "study-scenes.csv", index=False)
        return {cell.setting for cell in study.missing("scenes") if cell.seed in plan.FRESH}

    assert "groups-only" in on_fresh_seeds() and "topk-4" not in on_fresh_seeds()
    rival.loc[2, "validation"] = 60.0
    assert "topk-4" in on_fresh_seeds()
    rival = rival[:2]  # a tuning seed is left
    assert "topk-4" in on_fresh_seeds()


def test_photographs_take_the_strength_of_a_rival_that_scenes_chose(tables):
    pd.concat([rows("l1-1", 60), rows("l1-3", 50)]).to_csv(tables / "study-scenes.csv", index=False)
    on_tuning_seeds = {cell.setting for cell in study.missing("cifar100") if cell.seed in TUNING}
    assert "l1-1" in on_tuning_seeds and not {"l1-0.3", "l1-3"} & on_tuning_seeds
    assert set(plan.METHODS["group lasso"]) <= on_tuning_seeds  # scenes have not chosen


def test_runs_that_differ_in_lambda_and_seed_are_one_stack():
    cells = [study.Cell(name, seed) for name in ("default", "lambda0", "twin") for seed in (10, 11)]
    assert study.stacks("scenes", cells) == [cells[:4], cells[4:]]


def test_earlier_numbers_of_a_run_stay_and_new_columns_join(tables):
    rows("twin", 60).to_csv(tables / "tuning-scenes.csv", index=False)
    rows("twin", 1).assign(noise60=7.0).to_csv(tables / "study-scenes.csv", index=False)
    table = study.read("scenes")
    assert table["validation"].tolist() == [60, 60, 60] and table["noise60"].tolist() == [7, 7, 7]


def test_holm_corrects_as_in_a_worked_example():
    assert study_numbers.holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])


@pytest.mark.slow
def test_a_committed_row_is_checked_by_running_it_again(finished_run, tables, tmp_path, monkeypatch, capsys):
    tree = finished_run.params.model_dump(mode="json", by_alias=True)
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(tree))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(stacks, "PROBES", 1)
    data, cell = (
        finished_run.root / "artifacts/data" / finished_run.params.data.name,
        study.Cell("lambda0", 10),
    )
    stacks.train(stacks.Job("scenes", [cell], data, tables / "study-scenes.csv", tables / "states"))
    assert study.check("scenes", data, None, cell) == 0
    assert "linear probe: 0.00 points off" in capsys.readouterr().out
    row = pd.read_csv(tables / "study-scenes.csv").iloc[0]
    other = row.copy()
    other["linear"] += 5
    assert study.compare(row, row) == 0 and study.compare(row, other) == 1
    with pytest.raises(InputError, match=r"^scenes: no row of lambda0, seed 11$"):
        study.check("scenes", None, None, study.Cell("lambda0", 11))


def test_a_set_is_prepared_where_none_is_given(finished_run, tmp_path, monkeypatch):
    tree = finished_run.params.model_dump(mode="json", by_alias=True)
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(tree))
    monkeypatch.chdir(tmp_path)
    name = finished_run.params.data.name
    made = open_set(study.prepare("scenes", None, tmp_path))
    shipped = open_set(finished_run.root / "artifacts/data" / name)
    assert made.counts == shipped.counts
    assert (made.split("test").images == shipped.split("test").images).all()
