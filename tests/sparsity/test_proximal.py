"""The proximal operator is the minimiser that it claims to be, and its zeros are exact."""

import math

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.sparsity.proximal import column_norms, shrink_columns


def cost(candidate: torch.Tensor, weights: torch.Tensor, threshold: float) -> torch.Tensor:
    """The objective whose argmin the operator is, column by column."""
    return (candidate - weights).square().sum(1) / 2 + threshold * candidate.norm(dim=1)


def numerical_argmin(weights: torch.Tensor, threshold: float) -> torch.Tensor:
    """A search over the length of each column, which bends upward everywhere; a candidate that is not along
    its column only costs more."""
    low, high = torch.zeros_like(weights[:, :1]), torch.full_like(weights[:, :1], 1.0)
    for _ in range(100):
        third = (high - low) / 3
        shorter = cost((low + third) * weights, weights, threshold) < cost(
            (high - third) * weights, weights, threshold
        )
        low, high = (
            torch.where(shorter[:, None], low, low + third),
            torch.where(shorter[:, None], high - third, high),
        )
    return (low + high) / 2 * weights


@settings(max_examples=60)
@given(
    groups=st.integers(1, 4),
    width=st.integers(1, 5),
    latents=st.integers(1, 6),
    threshold=st.floats(0, 3),
    seed=st.integers(0, 10_000),
)
def test_it_is_the_numerical_argmin_of_the_proximal_objective(groups, width, latents, threshold, seed):
    random = torch.Generator().manual_seed(seed)
    weights = torch.randn(groups, width, latents, generator=random, dtype=torch.float64)
    shrunk = shrink_columns(weights, threshold)
    expected = numerical_argmin(weights, threshold)
    assert (cost(shrunk, weights, threshold) <= cost(expected, weights, threshold) + 1e-9).all()
    torch.testing.assert_close(shrunk, expected, atol=1e-6, rtol=1e-6)
    for _ in range(20):
        other = shrunk + 0.1 * torch.randn(shrunk.shape, generator=random, dtype=torch.float64)
        assert (cost(shrunk, weights, threshold) <= cost(other, weights, threshold) + 1e-12).all()


def test_columns_below_the_threshold_are_exactly_zero_and_the_others_shorter_by_it():
    weights = torch.randn(8, 4, 16, generator=torch.Generator().manual_seed(0))
    before, after = column_norms(weights), column_norms(shrink_columns(weights, 1.5))
    assert ((after == 0) == (before <= 1.5)).all() and 0 < (after == 0).float().mean() < 1
    torch.testing.assert_close(after, (before - 1.5).clamp(min=0))


def test_threshold_zero_changes_nothing_and_zero_columns_stay_finite():
    weights = torch.randn(2, 3, 5)
    weights[0, :, 1] = 0
    assert torch.equal(shrink_columns(weights, 0.0), weights)
    assert torch.equal(shrink_columns(weights, 0.5)[0, :, 1], torch.zeros(3))
    assert torch.equal(shrink_columns(weights, math.inf), torch.zeros_like(weights))


def test_width_one_is_the_soft_threshold_of_the_lasso():
    weights = torch.linspace(-2, 2, 9).view(1, 1, 9)
    soft = weights.sign() * (weights.abs() - 0.7).clamp(min=0)
    torch.testing.assert_close(shrink_columns(weights, 0.7), soft)
