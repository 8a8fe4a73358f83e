"""What sparsity.lambda of oi_vae means: a fraction of the strength at which all of W is zero."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.sparsity.batch import Strengths
from tests.sparsity.small_oi_vae import batch, build, descend, group_gradient, planted


@pytest.mark.parametrize(
    ("dim", "changes"),
    [
        (16, {}),
        (48, {"groups": 8}),
        (16, {"latent_dim": 24}),
        (32, {"generator_width": 2, "weight": 0.1}),
        (24, {"groups": 2}),
    ],
)
def test_active_columns_have_a_gradient_of_norm_lambda_times_lambda_max(dim, changes):
    """Stationarity of the group lasso: that norm in active columns, at most that elsewhere."""
    module = build(dim, **changes)
    tokens, targets = planted(dim)
    strengths = Strengths(changes.get("weight", 1.0), 0.0, 0.25)
    with torch.no_grad():
        for _ in range(300):
            module.whiten(module.heads(tokens).chunk(2, -1)[0].flatten(0, 1))
    module.whiten.eval()
    descend(module, tokens, targets, strengths, 1500)
    norms = group_gradient(module, tokens, targets).norm(dim=1)
    active, threshold = module.interaction() > 0, 0.25 * module.lambda_max.item()
    assert 0 < active.float().mean() < 1
    torch.testing.assert_close(norms[active], torch.full_like(norms[active], threshold), atol=1e-3, rtol=0)
    assert norms[~active].max() <= threshold + 1e-3


@pytest.mark.parametrize("generator", ["linear", "gelu"])
def test_lambda_max_is_the_largest_gradient_of_a_column_where_w_is_zero(generator):
    """In size 1e-3 more, so that rounding revives nothing."""
    module = build(generator=generator)
    tokens, targets = planted(16)
    with torch.no_grad():
        module.W.zero_()
        module.c.normal_()
    largest = group_gradient(module, tokens, targets).norm(dim=1).max()
    torch.testing.assert_close(module.lambda_max, 1.001 * largest)


def test_lambda_max_rises_at_once_and_falls_slowly():
    module = build()
    (tokens, targets), noise = planted(16), torch.zeros(256, 2, 8)
    strengths = Strengths(1.0, 0.0, 0.0)
    module(batch(tokens, targets, noise, strengths))
    high = module.lambda_max.item()
    module(batch(tokens, 0 * targets, noise, strengths))
    assert module.lambda_max.item() == pytest.approx(0.99 * high)
    module(batch(tokens, targets, noise, strengths))
    assert module.lambda_max.item() == pytest.approx(high, rel=1e-2)


@settings(max_examples=20)
@given(
    seed=st.integers(0, 1000),
    micro_batches=st.integers(1, 4),
    generator=st.sampled_from(["linear", "gelu"]),
    groups=st.sampled_from([1, 2, 8, 16]),
)
def test_at_lambda_one_columns_that_are_zero_stay_zero(seed, micro_batches, generator, groups):
    """On batches that differ, with latent noise, summed over micro-batches."""
    module = build(seed=seed, generator=generator, groups=groups)
    random = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        module.W.zero_()
    strengths = Strengths(0.1, 0.1, 1.0)
    for step in range(4):
        for part in range(micro_batches):
            tokens, targets = planted(16, images=16, seed=seed + 10 * step + part)
            noise = torch.randn(16, 2, 8, generator=random)
            terms = module(batch(tokens, targets, noise, strengths))
            (sum(terms.values()) / micro_batches).backward()
        assert module.W.grad is not None and module.W.grad.abs().sum() > 0
        module.proximal_step(1.0, strengths)
        assert torch.equal(module.W, torch.zeros_like(module.W))


@pytest.mark.parametrize("changes", [{}, {"groups": 1}, {"groups": 16}, {"generator": "gelu"}])
def test_at_lambda_one_all_of_w_dies_and_just_below_a_column_is_left(changes):
    (tokens, targets), zero_shares = planted(16), {}
    for lambda_ in (0.98, 1.0):
        module = build(**changes)
        descend(module, tokens, targets, Strengths(1.0, 0.0, lambda_), 600)
        zero_shares[lambda_] = module.describe()["zero_share"]
    assert zero_shares[1.0] == 1 > zero_shares[0.98] > 0.8


def test_at_lambda_zero_w_takes_plain_gradient_steps_to_the_bit():
    module = build(groups=4)
    tokens, targets = planted(16)
    strengths = Strengths(1.0, 0.0, 0.0)
    for _ in range(3):
        module(batch(tokens, targets, torch.zeros(256, 2, 8), strengths))["reconstruction"].backward()
        assert module.W.grad is not None and module.lambda_max > 0
        expected = module.W.detach().sub(module.W.grad, alpha=4 / 8 * 4)
        module.proximal_step(1.0, strengths)
        assert torch.equal(module.W, expected)
    assert module.describe()["zero_share"] == 0


def test_a_lambda_zeroes_about_as_many_columns_at_every_size():
    """Groups of 2, 8 and 32 features, 32 and 128 latents, 64 and 256 images; lambda_max varies fourfold."""
    zero_shares, strongest = {0.3: [], 0.6: []}, []
    for groups, latent_dim, images in ((32, 32, 256), (8, 32, 256), (2, 32, 256), (8, 128, 256), (8, 32, 64)):
        tokens, targets = planted(64, images)
        for lambda_, shares in zero_shares.items():
            module = build(64, groups=groups, latent_dim=latent_dim)
            descend(module, tokens, targets, Strengths(1.0, 0.0, lambda_), 120)
            shares.append(module.describe()["zero_share"])
        strongest.append(module.lambda_max.item())
    assert max(strongest) > 4 * min(strongest)
    assert min(zero_shares[0.3]) > 0.4 and max(zero_shares[0.3]) < 0.75
    assert min(zero_shares[0.6]) > 0.8 and max(zero_shares[0.6]) < 1
