"""Schedules: end points, and no jumps between them."""

from itertools import pairwise

import pytest
from conftest import default_tree, override
from hypothesis import given
from hypothesis import strategies as st

from pipeline.params import ObjectiveParams, PretrainParams, SparsityParams
from pipeline.pretrain.schedules import ema_momentum, learning_rate, sparsity_strengths


def pretrain(**changes: object) -> PretrainParams:
    return PretrainParams.model_validate(override(default_tree()["pretrain"], changes))


@given(steps=st.integers(2, 500), warmup=st.floats(0, 0.9), final=st.floats(0, 1))
def test_learning_rate_ends_where_it_should_and_peaks_once(steps, warmup, final):
    chosen = pretrain(steps=steps, warmup_fraction=warmup, final_fraction=final, learning_rate=0.01)
    rates = [learning_rate(chosen, step) for step in range(steps)]
    rise = round(warmup * steps)
    assert max(rates) == pytest.approx(0.01)
    if steps - rise > 1:
        assert rates[-1] == pytest.approx(0.01 * final)
    if rise:
        assert rates[0] == pytest.approx(0.01 / rise)
    assert all(a <= b + 1e-12 for a, b in pairwise(rates[:rise]))
    assert all(a >= b - 1e-12 for a, b in pairwise(rates[rise:]))


def test_momentum_is_linear_between_its_ends():
    objective = ObjectiveParams.model_validate(default_tree()["objective"] | {"ema_momentum": [0.9, 1.0]})
    values = [ema_momentum(objective, step, 11) for step in range(11)]
    assert values == pytest.approx([0.9 + 0.01 * step for step in range(11)])


def test_strengths_rise_linearly_and_arrive():
    changes = {"lambda": 0.4, "lambda_warmup": 0.5, "beta_warmup": 0}
    sparsity = SparsityParams.model_validate(override(default_tree()["sparsity"], changes))
    strengths = [sparsity_strengths(sparsity, step, 10) for step in range(10)]
    assert [round(at.lambda_, 6) for at in strengths[:5]] == [0.08, 0.16, 0.24, 0.32, 0.4]
    assert {at.lambda_ for at in strengths[4:]} == {0.4} and {at.beta for at in strengths} == {sparsity.beta}
