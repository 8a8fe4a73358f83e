"""Rectified distribution matching: the right samples, a distance that is zero where it should be."""

import pytest
import torch

from pipeline.sparsity.rdmreg import sample_rectified, sliced_wasserstein, unit_scale


def draws(p: float, mu: float, count: int = 200_000) -> torch.Tensor:
    return sample_rectified((count,), p, mu, torch.Generator().manual_seed(0))


@pytest.mark.parametrize("mu", [-1.0, 0.0, 0.7])
def test_p_two_is_the_rectified_normal(mu):
    normal = torch.distributions.Normal(mu, 1.0)
    samples = draws(2.0, mu)
    for level in (0.0, 0.5, 1.5):
        assert (samples <= level).float().mean().item() == pytest.approx(
            normal.cdf(torch.tensor(level)).item(), abs=5e-3
        )


def test_p_one_is_the_rectified_laplace():
    laplace = torch.distributions.Laplace(0.3, 0.5**0.5)
    samples = draws(1.0, 0.3)
    for level in (0.0, 0.5, 2.0):
        assert (samples <= level).float().mean().item() == pytest.approx(
            laplace.cdf(torch.tensor(level)).item(), abs=5e-3
        )


@pytest.mark.parametrize("p", [0.5, 1.0, 2.0, 4.0])
def test_the_variance_before_rectification_is_one(p):
    far = draws(p, 1000.0)  # nothing is rectified there
    assert far.double().var().item() == pytest.approx(1, rel=0.05)
    assert unit_scale(2.0) == pytest.approx(1) and unit_scale(1.0) == pytest.approx(0.5**0.5)


def test_the_global_generator_is_left_alone_and_equal_generators_draw_equally():
    torch.manual_seed(5)
    before = torch.rand(3)
    torch.manual_seed(5)
    first = draws(1.0, 0.0, 100)
    assert torch.equal(torch.rand(3), before)
    assert torch.equal(first, draws(1.0, 0.0, 100))


def test_the_distance_is_zero_for_equal_samples_in_any_order_and_a_shift_costs_its_square():
    random = torch.Generator().manual_seed(0)
    samples = torch.randn(64, 5, generator=random)
    directions = torch.nn.functional.normalize(torch.randn(5, 32, generator=random), dim=0)
    shuffled = samples[torch.randperm(64, generator=random)]
    assert sliced_wasserstein(samples, shuffled, directions) == pytest.approx(0, abs=1e-10)
    shift = torch.tensor([1.0, 0, 0, 0, 0])
    moved = sliced_wasserstein(samples + shift, samples, directions)
    torch.testing.assert_close(moved, directions[0].square().mean())


def test_matching_makes_features_as_sparse_as_mu_says():
    """Gradient descent on the distance alone: P(x < 1) of a Laplace of variance 1 is .878."""
    random = torch.Generator().manual_seed(0)
    features = torch.randn(512, 4, generator=random, requires_grad=True)
    optimizer = torch.optim.Adam([features], lr=0.05)
    for _ in range(300):
        directions = torch.nn.functional.normalize(torch.randn(4, 16, generator=random), dim=0)
        target = sample_rectified((512, 4), 1.0, -1.0, random)
        optimizer.zero_grad()
        sliced_wasserstein(features.relu(), target, directions).backward()
        optimizer.step()
    small = (features.detach().relu() < 0.1).float().mean().item()
    assert small > 0.75
