"""Independent groups: the limits of both terms, and that they see what they should."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from pipeline.data.generators import generator
from pipeline.jepa.independence import draw_projections, group_variance_covariance, nonlinear_dependence
from pipeline.jepa.objective import vicreg

GROUPS, SIZE, PROBES = 8, 4, 16
DIM = GROUPS * SIZE


def normal(batch: int, dim: int = DIM, seed: int = 0) -> torch.Tensor:
    return torch.randn(batch, dim, generator=generator(seed, 0, "test"))


def projections(step: int = 0, groups: int = GROUPS, size: int = SIZE):
    return draw_projections(groups, size, PROBES, generator(0, step, "independence"))


@given(st.integers(2, 60), st.integers(0, 5))
def test_groups_of_one_feature_are_vicreg_to_the_bit(batch, seed):
    features = normal(batch, seed=seed) * torch.linspace(0.1, 2, DIM)
    features = features @ normal(DIM, seed=seed + 100) / 4
    assert torch.equal(group_variance_covariance(features, DIM), vicreg(features))


def test_one_group_is_the_variance_term_alone():
    shared = normal(200, 1) * torch.ones(DIM) + 0.1 * normal(200, seed=1)
    assert group_variance_covariance(3 * shared, 1) == 0
    weak = group_variance_covariance(0.01 * shared, 1)
    assert weak == pytest.approx(1 - (0.01**2 * shared.var(0) + 1e-4).sqrt().mean().item(), abs=1e-4)
    assert nonlinear_dependence(shared, projections(0, 1, DIM)) == 0


@pytest.mark.parametrize("marginal", ["normal", "laplace", "uniform", "binary", "skewed"])
def test_independent_groups_of_any_marginals_cost_what_chance_costs(marginal):
    """Inside a group everything depends on everything: four functions of one number."""
    batch = 4000
    base = normal(batch, GROUPS)
    uniform = torch.special.ndtr(base)
    base = {
        "normal": base,
        "laplace": -(uniform - 0.5).sign() * torch.log1p(-2 * (uniform - 0.5).abs() + 1e-6),
        "uniform": uniform,
        "binary": (uniform > 0.3).float(),
        "skewed": base.exp().clamp(max=8),
    }[marginal]
    features = torch.stack([base, base.square(), base.abs(), base.sin()], dim=2).flatten(1)
    features = (features - features.mean(0)) / (features.std(0) + 1e-6)
    chance = SIZE / PROBES * (GROUPS - 1) * PROBES / 25 / batch
    values = [nonlinear_dependence(features, projections(step)).item() for step in range(20)]
    assert sum(values) / len(values) < 3 * chance
    assert group_variance_covariance(2 * features, GROUPS) < 60 * SIZE * GROUPS / batch


def test_dependence_without_correlation_is_seen_by_the_nonlinear_part_alone():
    base = normal(4000, GROUPS)
    features = normal(4000)
    features[:, 0], features[:, SIZE] = base[:, 0], (base[:, 0].square() - 1) / 2**0.5
    independent = normal(4000, seed=7)
    linear = [group_variance_covariance(2 * x, GROUPS).item() for x in (features, independent)]
    bent = [
        sum(nonlinear_dependence(x, projections(step)).item() for step in range(20))
        for x in (features, independent)
    ]
    assert linear[0] == pytest.approx(linear[1], rel=0.2)
    assert bent[0] > 1.5 * bent[1]


def test_a_rotation_within_groups_and_another_order_of_groups_change_no_covariance_between_them():
    features = 5 * normal(500) @ normal(DIM, seed=3)  # deviations above 1: the variance term is zero
    turn = torch.linalg.qr(normal(SIZE, SIZE, seed=4)).Q
    turned = (features.unflatten(1, (GROUPS, SIZE)) @ turn).flatten(1)
    first, second = (group_variance_covariance(x, GROUPS).item() for x in (features, turned))
    assert first == pytest.approx(second, rel=1e-4)
    swapped = features.unflatten(1, (GROUPS, SIZE)).flip(1).flatten(1)
    assert group_variance_covariance(swapped, GROUPS).item() == pytest.approx(first, rel=1e-4)


@pytest.mark.parametrize("rotation", [0, 1, 2])
def test_descent_unmixes_two_planted_groups(rotation):
    """Two groups of two features that share a random scale, mixed by a rotation: uncorrelated, but dependent.

    More or larger groups have local minima, as independent subspace analysis is known to have: from a random
    rotation, descent found one of three runs of three groups of two.
    """
    shape = (2000, 2, 2)
    scale = torch.randn(2000, 2, 1, generator=generator(0, 0, "scale")).abs()
    sources = (scale * torch.randn(shape, generator=generator(0, 0, "sources"))).flatten(1)
    sources = (sources - sources.mean(0)) / sources.std(0)
    mixed = sources @ torch.linalg.qr(normal(4, 4, seed=rotation)).Q
    weights = torch.eye(4, requires_grad=True)
    optimizer = torch.optim.Adam([weights], lr=0.02)
    for step in range(300):
        unmixed = mixed @ torch.linalg.qr(weights).Q
        maps = draw_projections(2, 2, PROBES, generator(0, step, "independence"))
        optimizer.zero_grad()
        nonlinear_dependence(unmixed, maps).backward()
        optimizer.step()
    unmixed = (mixed @ torch.linalg.qr(weights).Q).detach()
    shared = torch.corrcoef(torch.cat([unmixed, sources], 1).T)[:4, 4:].square()
    told = shared.view(2, 2, 2, 2).sum((1, 3)) / 2  # of each group, by each planted group
    assert told.max(1).values.min() > 0.98
