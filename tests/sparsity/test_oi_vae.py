"""The oi-VAE module: its KL, what lambda means, what the prior on the generators is for."""

import itertools

import pytest
import torch
from conftest import default_tree, override
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.params import SparsityParams
from pipeline.sparsity.batch import SparsityBatch, Strengths
from pipeline.sparsity.oi_vae import OiVae, gaussian_kl


def batch(
    tokens: torch.Tensor, targets: torch.Tensor, noise: torch.Tensor, strengths: Strengths
) -> SparsityBatch:
    return SparsityBatch(tokens, targets, noise, None, strengths, prediction=torch.zeros(()))


def build(dim: int = 16, seed: int = 0, **changes: object) -> OiVae:
    tree = override(default_tree()["sparsity"], {"groups": 4, "latent_dim": 8, **changes})
    torch.manual_seed(seed)
    return OiVae(SparsityParams.model_validate(tree), dim)


def planted(dim: int, images: int = 256, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    """Tokens, and standardised targets that a few directions of them explain."""
    random = torch.Generator().manual_seed(seed)
    tokens = torch.randn(images, 2, dim, generator=random)
    mixing = torch.randn(dim, 3, generator=random) @ torch.randn(3, dim, generator=random)
    targets = tokens @ mixing + 0.3 * torch.randn(images, 2, dim, generator=random)
    targets = targets - targets.mean((0, 1))
    return tokens, targets / targets.std((0, 1))


def descend(
    module: OiVae, tokens: torch.Tensor, targets: torch.Tensor, strengths: Strengths, steps: int
) -> None:
    """Proximal steps of W alone, on one batch without latent noise."""
    noise = torch.zeros(*tokens.shape[:2], module.W.shape[2])
    for _ in range(steps):
        module.zero_grad()
        module(batch(tokens, targets, noise, strengths))["reconstruction"].backward()
        module.proximal_step(1.0, strengths)


def group_gradient(module: OiVae, tokens: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """Gradient of each group's own mean error for its W, without latent noise."""
    noise = torch.zeros(*tokens.shape[:2], module.W.shape[2])
    terms = module(batch(tokens, targets, noise, Strengths(1.0, 0.0, 0.0)))
    (gradient,) = torch.autograd.grad(terms["reconstruction"] * module.groups, module.W)
    return gradient


@settings(max_examples=40)
@given(mean=st.floats(-4, 4), log_variance=st.floats(-6, 3))
def test_the_kl_is_that_of_torchs_distributions(mean, log_variance):
    posterior = torch.distributions.Normal(torch.tensor(mean), torch.tensor(log_variance).div(2).exp())
    expected = torch.distributions.kl_divergence(posterior, torch.distributions.Normal(0.0, 1.0))
    divergence = gaussian_kl(torch.tensor(mean), torch.tensor(log_variance))
    torch.testing.assert_close(divergence, expected, atol=1e-5, rtol=1e-5)


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


def test_a_free_generator_lets_the_scale_of_w_leak_and_a_fixed_one_does_not():
    """W / 100 and 100 A reconstruct as before where A is free, so the penalty says nothing there."""
    latents = torch.randn(5, 8, generator=torch.Generator().manual_seed(0))
    outputs = {}
    for scale in ("free", "fixed"):
        module = build(generator_scale=scale)
        before = module.generate(module.generator_inputs(latents))
        with torch.no_grad():
            module.W.div_(100)
            module.A.mul_(100)
        outputs[scale] = (before, module.generate(module.generator_inputs(latents)))
    torch.testing.assert_close(*outputs["free"])
    before, after = outputs["fixed"]
    torch.testing.assert_close(after, before / 100)


def test_training_uses_the_leak_where_it_is_open():
    """At equal lambda a free A grows to make up for a shrinking W; a fixed one cannot."""
    tokens, targets = planted(16)
    grown = {}
    for scale in ("free", "fixed"):
        module = build(generator_scale=scale)
        first = module.generators().detach().norm()
        optimizer = torch.optim.Adam([module.A], lr=0.02)
        strengths = Strengths(1.0, 0.0, 0.05)
        noise = torch.zeros(*tokens.shape[:2], 8)
        for _ in range(300):
            module.zero_grad()
            module(batch(tokens, targets, noise, strengths))["reconstruction"].backward()
            optimizer.step()
            module.proximal_step(1.0, strengths)
        grown[scale] = (module.generators().detach().norm() / first).item()
    assert grown["fixed"] == pytest.approx(1, abs=1e-4)
    assert grown["free"] > 1.3


@pytest.mark.parametrize("latent_dim", [4, 64])
def test_the_largest_learning_rate_descends_at_every_number_of_latents(latent_dim):
    tokens, targets = planted(16)
    module = build(latent_dim=latent_dim)
    strengths, noise = Strengths(1.0, 0.0, 0.0), torch.zeros(*tokens.shape[:2], latent_dim)
    losses = []
    for _ in range(100):
        module.zero_grad()
        loss = module(batch(tokens, targets, noise, strengths))["reconstruction"]
        loss.backward()
        module.proximal_step(1.0, strengths)
        losses.append(loss.item())
    assert all(later <= earlier + 1e-6 for earlier, later in itertools.pairwise(losses))
    assert module.describe()["zero_share"] == 0


def test_without_a_column_everything_stays_finite():
    tokens, targets = planted(16)
    module = build()
    strengths = Strengths(1.0, 0.1, 1.0)
    with torch.no_grad():
        module.W.zero_()
    for _ in range(2):
        terms = module(batch(tokens, targets, torch.zeros(256, 2, 8), strengths))
        sum(terms.values()).backward()
        module.proximal_step(1.0, strengths)
    assert all(value.isfinite() for value in terms.values())
    numbers = module.describe()
    assert (numbers["zero_share"], numbers["zero_share_live"], numbers["live_latents"]) == (1.0, 1.0, 0)
    assert numbers["dead_groups"] == 4 and torch.equal(module.eval().energies(tokens), torch.zeros(256, 2, 4))


def test_a_latent_lives_where_it_adds_a_tenth_of_an_equal_share_of_the_variance():
    """A_g has rms 1 / 2 and 4 rows, so |A_g w| = 1 for a unit vector w along an axis: 2 is an equal share."""
    module = build()  # 16 features in 4 groups, 8 latents
    with torch.no_grad():
        module.W.zero_()
        for latent, variance in enumerate((0.0, 1e-6, 0.19, 0.21, 1.0, 5.0)):
            module.W[latent % 4, 0, latent] = variance**0.5
        module.W[0, 0, 6] = module.W[1, 0, 6] = (
            0.11**0.5
        )  # small in each of two groups, large in both together
    torch.testing.assert_close(
        module.added_variance(), torch.tensor([0.0, 1e-6, 0.19, 0.21, 1.0, 5.0, 0.22, 0.0])
    )
    numbers = module.describe()
    assert numbers["live_latents"] == 4
    assert numbers["zero_share_live"] == pytest.approx(1 - (3 + 2) / 16)
    with torch.no_grad():
        module.W.mul_(0.1)  # columns are left, and no latent lives
    numbers = module.describe()
    assert (numbers["live_latents"], numbers["zero_share_live"]) == (0, 1.0) and numbers["zero_share"] < 1


def test_a_linear_generators_features_have_the_variance_that_latents_add():
    module = build()
    latents = torch.randn(100_000, 8, generator=torch.Generator().manual_seed(0))
    generated = module.generate(module.generator_inputs(latents)).detach()
    expected = module.added_variance().sum().item()
    assert generated.var(0).sum().item() == pytest.approx(expected, rel=2e-2)


def test_free_bits_cost_the_same_below_their_level():
    tokens, targets = planted(16)
    terms = {
        bits: build(free_bits=bits)(batch(tokens, targets, torch.zeros(256, 2, 8), Strengths(1.0, 1.0, 0.0)))[
            "kl"
        ]
        for bits in (0.0, 50.0)
    }
    assert terms[50.0].item() == pytest.approx(50.0 * 8 / 16)
    assert terms[0.0] < terms[50.0]


def test_an_order_within_groups_changes_no_features_reconstruction():
    tokens, targets = planted(16)
    module = build()
    noise = torch.zeros(256, 2, 8)
    before = module(batch(tokens, targets, noise, Strengths(1.0, 1.0, 0.0)))["reconstruction"]
    module.regroup(torch.arange(16).view(4, 4).flip(1).flatten())
    after = module(batch(tokens, targets, noise, Strengths(1.0, 1.0, 0.0)))["reconstruction"]
    torch.testing.assert_close(before, after)


def test_the_kl_of_a_row_is_the_sum_of_the_kl_of_each_latent():
    tokens, targets = planted(16)
    module = build()
    for _ in range(3):
        module(batch(tokens, targets, torch.zeros(256, 2, 8), Strengths(1.0, 1.0, 0.0)))
    of_each = module.describe_latents()
    assert of_each["latents"] == len(of_each["kl_per_latent"]) == 8
    assert sum(of_each["kl_per_latent"]) == pytest.approx(module.describe()["kl"], rel=1e-5)
    assert module.describe()["kl"] > 0
