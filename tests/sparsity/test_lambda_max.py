"""What sparsity.lambda of oi_vae means: a fraction of the strength at which all of W is zero."""

import itertools

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.sparsity.batch import Strengths
from pipeline.sparsity.lambda_max import largest_eigenvalues, smallest_dead_strength
from tests.sparsity.small_oi_vae import batch, build, descend, group_gradient, learn, planted


def columns_of(targets: torch.Tensor, codes: torch.Tensor, generators: torch.Tensor) -> torch.Tensor:
    """Norm of the gradient of each column (groups, latents) where W is zero."""
    moments = torch.einsum("bngs,bnk->gsk", targets, codes) / codes.shape[:2].numel()
    return (generators.mT @ moments).norm(dim=1) / targets.shape[-1]


@pytest.mark.parametrize(
    ("dim", "changes"),
    [
        (16, {}),
        pytest.param(48, {"groups": 8}, marks=pytest.mark.slow),
        pytest.param(16, {"latent_dim": 24}, marks=pytest.mark.slow),
        (32, {"generator_width": 2, "weight": 0.1}),
        pytest.param(24, {"groups": 2}, marks=pytest.mark.slow),
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


@settings(max_examples=30)
@given(seed=st.integers(0, 1000), groups=st.sampled_from([1, 2, 8, 16]), latents=st.integers(1, 24))
def test_no_latents_have_a_gradient_beyond_lambda_max(seed, groups, latents):
    random = torch.Generator().manual_seed(seed)
    targets = planted(16, images=16, seed=seed)[1].unflatten(-1, (groups, -1))
    codes = targets.flatten(2) @ torch.randn(16, latents, generator=random)
    codes = codes + torch.rand((), generator=random) * torch.randn(codes.shape, generator=random)
    generators = torch.randn(groups, 16 // groups, 4, generator=random)
    assert columns_of(targets, codes, generators).max() <= 1.0001 * smallest_dead_strength(
        targets, codes, generators
    )


@pytest.mark.parametrize("groups", [1, 2, 4, 16])
def test_the_best_latent_reaches_it(groups):
    """The first principal component of what the generator sees, up to the bound on the eigenvalue."""
    targets = planted(16)[1].unflatten(-1, (groups, -1))
    generators = torch.randn(groups, 16 // groups, 4, generator=torch.Generator().manual_seed(0))
    seen = torch.einsum("bngs,gsp->gbnp", targets, generators).flatten(1, 2)
    components = torch.linalg.svd(seen, full_matrices=False)[0][:, :, 0] * seen.shape[1] ** 0.5
    codes = components.T.unflatten(0, targets.shape[:2])
    longest, bound = (
        columns_of(targets, codes, generators).max(),
        smallest_dead_strength(targets, codes, generators),
    )
    assert bound / 4 ** (1 / 16) <= longest <= 1.0001 * bound


def test_it_does_not_rise_when_latents_specialise():
    """Latents that mix all groups and latents that serve one each have one scale, but other gradients."""
    targets = torch.randn(4000, 1, 16, 1, generator=torch.Generator().manual_seed(0))
    targets = targets / targets.square().mean((0, 1)).sqrt()
    generators, specialised = torch.ones(16, 1, 1), targets.flatten(2)
    mixed = specialised @ torch.linalg.qr(torch.randn(16, 16, generator=torch.Generator().manual_seed(1)))[0]
    bounds = [smallest_dead_strength(targets, codes, generators) for codes in (specialised, mixed)]
    torch.testing.assert_close(*bounds, rtol=0.02, atol=0)
    assert columns_of(targets, mixed, generators).max() < 0.8 * bounds[1]


@given(st.integers(0, 1000), st.integers(1, 8), st.sampled_from([1e-12, 1.0, 1e6]))
def test_largest_eigenvalues_are_bounded_from_above_and_closely(seed, width, scale):
    root = torch.randn(3, width, 5, generator=torch.Generator().manual_seed(seed))
    matrices = scale * root @ root.mT
    exact, bound = torch.linalg.eigvalsh(matrices)[:, -1], largest_eigenvalues(matrices)
    assert (bound >= exact * 0.9999).all() and (bound <= exact * 1.0001 * width ** (1 / 8)).all()
    assert torch.equal(largest_eigenvalues(torch.zeros(2, width, width)), torch.zeros(2))


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


@pytest.mark.parametrize(
    ("groups", "latent_dim", "images"),
    [
        (32, 32, 256),
        (8, 128, 256),
        *(pytest.param(*sizes, marks=pytest.mark.slow) for sizes in ((8, 32, 256), (2, 32, 256))),
        *(pytest.param(*sizes, marks=pytest.mark.slow) for sizes in ((8, 32, 64), (1, 32, 256))),
    ],
)
def test_equal_ratios_of_lambda_are_steps_of_zeros_at_every_size(groups, latent_dim, images):
    """Where latents learn too. Groups of 2 to 64 features, 32 and 128 latents, 64 and 256 images."""
    tokens, targets = planted(64, images)
    shares = []
    for lambda_ in (0.02, 0.1, 0.5, 1.0):
        module = build(64, groups=groups, latent_dim=latent_dim)
        learn(module, tokens, targets, Strengths(1.0, 0.0, lambda_), 150)
        shares.append(module.describe()["zero_share"])
    assert shares[0] < 0.25 and 0.1 < shares[1] < 0.7 < shares[2] < 1 == shares[3]
    assert all(next_ > share + 0.02 for share, next_ in itertools.pairwise(shares))
