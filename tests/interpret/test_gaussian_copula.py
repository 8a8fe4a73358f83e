"""Estimates of total correlation against cases whose truth is known in closed form, in nats."""

import numpy as np
import pytest
from scipy.special import digamma, gammaln
from thoi.measures.gaussian_copula import nplets_measures

from pipeline.interpret import gaussian_copula
from pipeline.interpret.gaussian_copula import (
    TooFewImagesError,
    folded,
    gaussian_split,
    gaussian_total,
    normal_scores,
    scores_correlation,
)
from pipeline.interpret.partitions import contiguous, random_partitions
from tests.interpret.correlated import blocks, copula, draw, truth

N = 10_000


def bent(features: np.ndarray) -> np.ndarray:
    """Another monotone map for every feature."""
    maps = [np.exp, lambda x: x**3, lambda x: np.tanh(x) + 0.01 * x, lambda x: 1 / (1 + np.exp(-3 * x))]
    return np.stack([maps[j % 4](column) for j, column in enumerate(features.T)], axis=1)


def test_independent_features_have_none():
    features = np.random.default_rng(1).standard_normal((N, 192))
    assert copula(features) == pytest.approx(0, abs=0.1)
    raw = copula(features) + gaussian_copula.bias(192, N)
    assert raw > 0.8  # what the correction takes away


def test_correlated_blocks():
    assert truth(blocks(192)) == pytest.approx(40.18, abs=0.01)
    assert copula(draw(blocks(192), N, 2)) == pytest.approx(truth(blocks(192)), abs=0.3)


def test_monotone_maps_of_single_features_change_nothing():
    features = draw(blocks(64), N, 3)
    assert truth(blocks(64)) == pytest.approx(13.39, abs=0.01)
    assert copula(features) == pytest.approx(13.39, abs=0.2)
    assert copula(bent(features)) == pytest.approx(copula(features), abs=1e-9)


def test_a_common_scale_is_seen_by_the_folded_features_alone():
    """Student's t with 5 degrees of freedom: uncorrelated and dependent."""
    nu, dim = 5, 64
    random = np.random.default_rng(4)
    features = random.standard_normal((N, dim)) / np.sqrt(random.chisquare(nu, (N, 1)) / nu)

    def h(d: int) -> float:
        return (
            -gammaln((nu + d) / 2)
            + gammaln(nu / 2)
            + d / 2 * np.log(nu * np.pi)
            + (nu + d) / 2 * (digamma((nu + d) / 2) - digamma(nu / 2))
        )

    exact = dim * h(1) - h(dim)
    assert exact == pytest.approx(5.15, abs=0.01)
    assert copula(features) == pytest.approx(0, abs=0.1)  # blind
    assert 0.5 < copula(folded(features)) < exact


def test_ties_ranked_in_a_common_order_would_invent_dependence():
    random = np.random.default_rng(7)
    features = np.maximum(random.standard_normal((N, 64)) - 1, 0)  # independent, five in six exactly 0
    assert copula(features) == pytest.approx(0, abs=0.1)
    order = np.argsort(features, axis=0, kind="stable")
    common = np.empty_like(features)
    np.put_along_axis(common, order, np.sort(normal_scores(features, random), axis=0), axis=0)
    assert gaussian_total(scores_correlation(common), N) > 10


def test_thoi_gives_the_same_before_ties_and_up_to_its_normal_scores():
    features = draw(blocks(24), 4000, 8)
    theirs = float(nplets_measures(features)[0, 0, 0])
    assert copula(features) == pytest.approx(theirs, rel=2e-3)


def test_the_chain_rule_holds_exactly_in_the_estimate():
    features = bent(draw(blocks(48), 2000, 9))
    R = scores_correlation(normal_scores(features, np.random.default_rng(0)))
    for partition in random_partitions(contiguous(48, 6), 20, np.random.default_rng(1)):
        split = gaussian_split(R, partition, 2000)
        parts = [gaussian_total(R[np.ix_(group, group)], 2000) for group in partition]
        assert split.within == pytest.approx(sum(parts), abs=1e-9)
        assert split.total == pytest.approx(split.between + split.within, abs=1e-9)
        assert split.total == pytest.approx(gaussian_total(R, 2000), abs=1e-9)


def test_the_split_finds_where_the_dependence_is():
    features = draw(blocks(64), N, 10)
    R = scores_correlation(normal_scores(features, np.random.default_rng(0)))
    right = gaussian_split(R, contiguous(64, 8), N)
    assert right.between == pytest.approx(0, abs=0.15)
    across = gaussian_split(R, np.arange(64).reshape(8, 8).T, N)
    assert across.within == pytest.approx(0, abs=0.15)
    single = gaussian_split(R, np.arange(64)[:, None], N)
    whole = gaussian_split(R, np.arange(64)[None], N)
    assert single.within == pytest.approx(0, abs=1e-9)
    assert single.total == pytest.approx(whole.within, abs=1e-9)
    assert whole.between == pytest.approx(0, abs=1e-9)


def test_too_few_images_are_refused_and_copies_are_capped():
    with pytest.raises(TooFewImagesError, match="40 images are too few for 64 features"):
        copula(np.random.default_rng(14).standard_normal((40, 64)))
    feature = np.random.default_rng(15).standard_normal((500, 1))
    R = scores_correlation(np.repeat(normal_scores(feature, np.random.default_rng(0)), 3, axis=1))
    assert np.isfinite(gaussian_total(R, 500))
