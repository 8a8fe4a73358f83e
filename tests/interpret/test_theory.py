"""docs/theory.md, held to exact discrete distributions: what is proved, and what is not implied."""

import dit
import numpy as np
import pytest

from pipeline.interpret.gaussian_copula import gaussian_total, normal_scores, scores_correlation
from tests.interpret.discrete import (
    entropy,
    grouped,
    marginal,
    partitions,
    random_channel,
    random_joints,
    through_channels,
    total_correlation,
)

EXACT = 1e-12
JOINTS = random_joints(1200, (2, 3, 2, 3), np.random.default_rng(0))


def test_our_exact_total_correlation_is_dits():
    for joint in random_joints(25, (2, 3, 2), np.random.default_rng(1)):
        outcomes = list(np.ndindex(joint.shape))
        theirs = dit.multivariate.total_correlation(dit.Distribution(outcomes, joint.ravel()))
        assert total_correlation(joint[None])[0] / np.log(2) == pytest.approx(theirs, abs=1e-8)


def test_it_is_the_divergence_from_the_product_of_the_marginals():
    product = np.ones_like(JOINTS)
    for variable in range(4):
        shape = [len(JOINTS)] + [-1 if axis == variable else 1 for axis in range(4)]
        product = product * marginal(JOINTS, (variable,)).reshape(shape)
    inside = JOINTS > 0
    ratio = np.log(np.where(inside, JOINTS, 1.0) / np.where(inside, product, 1.0))
    divergence = (JOINTS * ratio).sum((1, 2, 3, 4))
    np.testing.assert_allclose(total_correlation(JOINTS), divergence, atol=EXACT)
    assert (divergence > -EXACT).all()


@pytest.mark.parametrize("partition", partitions(4), ids=str)
def test_chain_rule_total_is_between_plus_within(partition: list[tuple[int, ...]]):
    between = total_correlation(grouped(JOINTS, partition))
    within = sum(total_correlation(marginal(JOINTS, group)) for group in partition)
    np.testing.assert_allclose(total_correlation(JOINTS), between + within, atol=EXACT)
    assert (np.asarray(within) > -EXACT).all()


@pytest.mark.parametrize("partition", partitions(4), ids=str)
def test_grouping_never_raises_it(partition: list[tuple[int, ...]]):
    assert (total_correlation(grouped(JOINTS, partition)) <= total_correlation(JOINTS) + EXACT).all()


@pytest.mark.parametrize("noisy", [False, True], ids=["deterministic", "noisy"])
def test_data_processing_component_by_component_never_raises_it(noisy: bool):
    random = np.random.default_rng(2)
    before = total_correlation(JOINTS)
    for _ in range(5):
        channels = [random_channel(k, int(random.integers(2, 4)), noisy, random) for k in (2, 3, 2, 3)]
        assert (total_correlation(through_channels(JOINTS, channels)) <= before + EXACT).all()


def test_summaries_of_groups_lower_it_further():
    random = np.random.default_rng(3)
    groups = grouped(JOINTS, [(0, 1), (2, 3)])
    for noisy in (False, True):
        summaries = through_channels(groups, [random_channel(6, 2, noisy, random) for _ in range(2)])
        assert (total_correlation(summaries) <= total_correlation(groups) + EXACT).all()
        assert (total_correlation(summaries) <= total_correlation(JOINTS) + EXACT).all()


def test_not_implied_that_groups_of_a_trained_model_are_better_than_others():
    """The theorem holds for every partition, so it cannot tell a good one from a bad one."""
    for joint in JOINTS[:50]:
        between = [total_correlation(grouped(joint[None], pair))[0] for pair in partitions(4)]
        assert max(between) - min(between) > 0  # some grouping of the same variables leaves less


@pytest.mark.parametrize(("size", "p"), [(2, 0.5), (3, 0.2), (5, 0.7)])
def test_not_implied_that_group_sparsity_lowers_it(size: int, p: float):
    """Independent variables that share a gate: TC rises from 0 by (n - 1) h(p)."""
    shape = (3,) * size  # 0: off; 1, 2: the two values of an open gate
    joint = np.zeros((1, *shape))
    joint[(0, *([0] * size))] = 1 - p
    joint[0][np.ix_(*([[1, 2]] * size))] = p / 2**size
    gate = -p * np.log(p) - (1 - p) * np.log(1 - p)
    assert total_correlation(joint)[0] == pytest.approx((size - 1) * gate, abs=EXACT)
    opened = joint[0][np.ix_(*([[1, 2]] * size))][None] / p
    assert total_correlation(opened)[0] == pytest.approx(0, abs=EXACT)


def test_not_implied_for_maps_that_mix_components():
    """Attention and layer-norm mix: (x, y) independent, (x, x and y) not."""
    independent = np.full((1, 2, 2), 0.25)
    mixed = np.zeros((1, 2, 2))
    for x, y in np.ndindex(2, 2):
        mixed[0, x, x & y] += independent[0, x, y]
    assert total_correlation(independent)[0] == pytest.approx(0, abs=EXACT)
    assert total_correlation(mixed)[0] > 0.2


def test_not_implied_for_noise_that_components_share():
    """Two constants plus one coin, shared: TC rises from 0 to ln 2. Each with its own coin it stays 0."""
    shared, own = np.array([[[0.5, 0.0], [0.0, 0.5]]]), np.full((1, 2, 2), 0.25)
    assert total_correlation(shared)[0] == pytest.approx(np.log(2), abs=EXACT)
    assert total_correlation(own)[0] == pytest.approx(0, abs=EXACT)


def test_not_implied_that_little_of_it_means_interpretable():
    """A PCA rotation takes the total correlation of Gaussian factors to 0 and every component mixes them."""
    random = np.random.default_rng(4)
    common, own = random.standard_normal((5000, 1)), random.standard_normal((5000, 6))
    factors = own + common
    directions = np.linalg.eigh(np.cov(factors.T))[1]
    totals = [
        gaussian_total(scores_correlation(normal_scores(z, random)), 5000)
        for z in (factors, factors @ directions)
    ]
    assert totals[0] > 0.9
    assert abs(totals[1]) < 0.02
    assert (np.abs(directions) > 0.05).sum(0).min() >= 2  # no component is one factor
    assert np.allclose(factors @ directions @ directions.T, factors)  # what a linear probe reads is the same


def test_not_implied_that_less_of_it_is_better_as_a_collapsed_code_has_none():
    constant = np.ones((1, 1, 1, 1))
    assert entropy(constant)[0] == 0
    assert total_correlation(constant)[0] == 0
