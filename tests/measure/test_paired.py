"""Paired comparisons against SciPy's own, and honest about few seeds."""

import numpy as np
import pytest
from scipy import stats

from pipeline.measure.paired import compare, sign_flip_p, spread


def scores(n: int, shift: float = 0.5, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    draw = np.random.default_rng(seed)
    base = draw.normal(size=n)
    return base, base + shift + 0.5 * draw.normal(size=n)


@pytest.mark.parametrize("n", [2, 3, 5, 8, 11])
def test_p_and_interval_agree_with_scipy(n):
    first, second = scores(n)
    comparison = compare(first, second)
    reference = stats.permutation_test(
        (second - first,), np.mean, permutation_type="samples", n_resamples=np.inf, alternative="two-sided"
    )
    assert comparison.p == pytest.approx(reference.pvalue)
    interval = stats.ttest_rel(second, first).confidence_interval(0.95)
    assert (comparison.low, comparison.high) == pytest.approx((interval.low, interval.high))
    assert comparison.difference == pytest.approx((second - first).mean())


def test_p_is_never_below_what_the_seeds_allow():
    for n in range(1, 9):
        comparison = compare(np.zeros(n), np.full(n, 100.0) + np.arange(n))
        assert comparison.smallest_p == min(1.0, 2 / 2**n)
        assert comparison.p == comparison.smallest_p
    assert compare(np.zeros(3), np.ones(3)).p == 0.25
    assert compare(np.zeros(6), np.ones(6)).p < 0.05 < compare(np.zeros(5), np.ones(5)).p


def test_equal_settings_are_not_told_apart():
    same = compare(np.ones(4), np.ones(4))
    assert (same.difference, same.p, same.low, same.high) == (0.0, 1.0, 0.0, 0.0)


def test_p_is_uniform_where_there_is_no_difference():
    p = np.array([sign_flip_p(np.random.default_rng(seed).normal(size=8)) for seed in range(400)])
    assert abs((p <= 0.05).mean() - 0.05) < 0.03
    assert abs((p <= 0.5).mean() - 0.5) < 0.08


def test_many_seeds_are_sampled_and_agree_with_the_normal_limit():
    first, second = scores(40, shift=0.15)
    p = sign_flip_p(second - first)
    assert p == pytest.approx(stats.ttest_rel(first, second).pvalue, abs=0.02)


def test_one_seed_has_no_deviation_and_no_interval():
    assert spread(np.array([0.5])).sd is None
    comparison = compare(np.array([0.5]), np.array([0.7]))
    assert (comparison.n, comparison.low, comparison.p) == (1, None, 1.0)


@pytest.mark.parametrize("bad", [[], [np.nan], [np.inf, 1.0]])
def test_nothing_or_infinity_is_refused(bad):
    with pytest.raises(ValueError, match="all finite"):
        spread(np.array(bad, float))


def test_scores_that_do_not_pair_are_refused():
    with pytest.raises(ValueError, match="2 and 3 scores cannot be paired"):
        compare(np.ones(2), np.ones(3))
