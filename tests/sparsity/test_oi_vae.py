"""The oi-VAE module: its KL, what lives, what the prior on the generators is for."""

import itertools

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.sparsity.batch import Strengths
from pipeline.sparsity.oi_vae import gaussian_kl
from tests.sparsity.small_oi_vae import batch, build, planted


@settings(max_examples=40)
@given(mean=st.floats(-4, 4), log_variance=st.floats(-6, 3))
def test_the_kl_is_that_of_torchs_distributions(mean, log_variance):
    posterior = torch.distributions.Normal(torch.tensor(mean), torch.tensor(log_variance).div(2).exp())
    expected = torch.distributions.kl_divergence(posterior, torch.distributions.Normal(0.0, 1.0))
    divergence = gaussian_kl(torch.tensor(mean), torch.tensor(log_variance))
    torch.testing.assert_close(divergence, expected, atol=1e-5, rtol=1e-5)


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
    assert grown["free"] > 1.2


@pytest.mark.parametrize("latent_dim", [4, 64])
@pytest.mark.parametrize(("site", "scale"), [("tokens", 1.0), ("predictor", 0.1), ("predictor", 10.0)])
def test_the_largest_learning_rate_descends_at_every_number_and_scale_of_latents(latent_dim, site, scale):
    tokens, targets = planted(16)
    module = build(latent_dim=latent_dim, site=site)
    with torch.no_grad():
        module.heads.weight.mul_(scale)
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


def test_a_latent_lives_where_it_adds_a_hundredth_of_an_equal_share_of_the_variance():
    """A_g has rms 1 / 2 and 4 rows, so |A_g w| = 1 for a unit vector w along an axis: 2 is an equal share."""
    module = build()  # 16 features in 4 groups, 8 latents
    with torch.no_grad():
        module.W.zero_()
        for latent, variance in enumerate((0.0, 1e-6, 0.019, 0.021, 1.0, 5.0)):
            module.W[latent % 4, 0, latent] = variance**0.5
        module.W[0, 0, 6] = module.W[1, 0, 6] = (
            0.011**0.5
        )  # small in each of two groups, large in both together
    torch.testing.assert_close(
        module.added_variance(), torch.tensor([0.0, 1e-6, 0.019, 0.021, 1.0, 5.0, 0.022, 0.0])
    )
    numbers = module.describe()
    assert numbers["live_latents"] == 4
    assert numbers["zero_share_live"] == pytest.approx(1 - (3 + 2) / 16)
    with torch.no_grad():
        module.W.mul_(0.03)  # columns are left, and no latent lives
    numbers = module.describe()
    assert (numbers["live_latents"], numbers["zero_share_live"]) == (0, 1.0) and numbers["zero_share"] < 1


@pytest.mark.parametrize(("site", "scale"), [("tokens", 1.0), ("predictor", 3.0)])
def test_a_linear_generators_features_have_the_variance_that_latents_add(site, scale):
    module = build(site=site)
    if module.raw:
        module.second_moment.fill_(scale**2)
    latents = scale * torch.randn(100_000, 8, generator=torch.Generator().manual_seed(0))
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


def test_raw_latents_can_make_their_kl_small_and_whitened_ones_cannot():
    """Half the scale of mu is a quarter of its part of the KL where mu is raw, and all of it otherwise."""
    tokens, targets = planted(16)
    shares = {}
    for site in ("predictor", "tokens"):
        kl = []
        for scale in (1.0, 0.5):
            module = build(site=site)
            with torch.no_grad():
                module.heads.weight[8:] = 0
                module.heads.bias[8:] = 0  # sigma is 1, so the KL is that of mu alone
                module.heads.weight[:8] *= scale
            terms = module(batch(tokens, targets, torch.zeros(256, 2, 8), Strengths(1.0, 1.0, 0.0)))
            kl.append(terms["kl"].item())
        shares[site] = kl[1] / kl[0]
    assert shares["predictor"] == pytest.approx(0.25, rel=1e-3)
    assert shares["tokens"] == pytest.approx(1, rel=1e-2)


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
