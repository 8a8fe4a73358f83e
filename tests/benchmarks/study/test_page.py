"""The pages of the study: they are of the committed rows, and say no more than these bear."""

import pandas as pd
import pytest
from study_rows import rows

from benchmarks.study import page
from benchmarks.study.numbers import holm
from benchmarks.study.tables import dial_table, gains_most_from_linear


def test_the_pages_are_of_the_committed_rows():
    for path, text in page.pages().items():
        assert path.read_text() == text


def test_a_verdict_on_weak_predictors_needs_its_rows(monkeypatch):
    monkeypatch.setattr(page, "gains_most_from_linear", lambda dataset: True)
    with pytest.raises(ValueError, match="no longer bear what is said of: weak predictors"):
        page.pages()


def test_the_gain_counts_as_largest_where_it_is_on_every_seed(tables):
    dense = [rows(name, 60, linear=50) for name in ("twin", "twin-predictor-linear")]
    sparse = [rows("default", 60, linear=55), rows("predictor-linear", 60, linear=56)]
    pd.concat([*dense, *sparse]).to_csv(tables / "study-scenes.csv", index=False)
    assert gains_most_from_linear("scenes")
    sparse[1].loc[1, "linear"] = 54
    pd.concat([*dense, *sparse]).to_csv(tables / "study-scenes.csv", index=False)
    assert not gains_most_from_linear("scenes")
    pd.concat([*dense, sparse[0], sparse[1].iloc[:1]]).to_csv(tables / "study-scenes.csv", index=False)
    assert not gains_most_from_linear("scenes")


def test_lambda_is_read_along_seeds_that_ran_at_each_strength(tables):
    alone = rows("default", 60, seeds=[11, 12], linear=90)
    table = [rows(name, 60, seeds=[10], linear=50) for name in ("lambda0", "default")]
    pd.concat([*table, alone]).assign(zero_share=0.5).to_csv(tables / "study-cifar10.csv", index=False)
    [linear] = [line for line in dial_table() if line.startswith("| CIFAR-10: linear")]
    assert linear == "| CIFAR-10: linear probe, % | 50.0 | — | — | 50.0 | — | — |"


def test_holm_corrects_as_in_a_worked_example():
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
