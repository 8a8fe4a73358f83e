"""The oi-VAE in blocks: which columns of W there are, and what it is where there is one block."""

import pytest
import torch
from conftest import default_tree, override

from pipeline.params import SparsityParams
from pipeline.sparsity.batch import Strengths
from pipeline.sparsity.build import build_method
from pipeline.sparsity.oi_vae import OiVae
from tests.sparsity.small_oi_vae import learn, planted


def build(method: str, groups: int, dim: int = 16) -> OiVae:
    tree = override(default_tree()["sparsity"], {"method": method, "groups": groups, "latent_dim": 8})
    module = build_method(SparsityParams.model_validate(tree), dim, seed=0)
    assert isinstance(module, OiVae)
    return module


@pytest.mark.parametrize("lambda_", [0.0, 0.02])
def test_each_latent_feeds_its_own_group_from_the_first_step_to_the_last(lambda_):
    module = build("oi_vae_blocks", groups=4)
    own = torch.zeros(4, 8, dtype=torch.bool)
    for group, latents in enumerate(module.latent_groups().tolist()):
        own[group, latents] = True
    assert own.sum() == 8 and own.sum(0).eq(1).all()
    assert torch.equal(module.interaction() > 0, own)
    before = module.W.detach().clone()
    learn(module, *planted(16), Strengths(1.0, 0.1, lambda_), steps=50)
    assert torch.equal(module.interaction() > 0, own) and not torch.equal(module.W, before)
    assert module.describe()["zero_share"] == pytest.approx(1 - 1 / 4)


def test_with_one_group_it_is_the_oi_vae_to_the_bit():
    tokens, targets = planted(16)
    states = []
    for method in ("oi_vae", "oi_vae_blocks"):
        module = build(method, groups=1)
        learn(module, tokens, targets, Strengths(1.0, 0.1, 0.02), steps=20)
        states.append(module.state_dict())
    assert all(torch.equal(value, states[1][name]) for name, value in states[0].items())


def test_it_starts_with_generated_features_of_the_scale_of_the_oi_vaes():
    """Standardised latents give each of 64 features unit variance, give or take the draw of W and A."""
    latents = torch.randn(4000, 8, generator=torch.Generator().manual_seed(0))
    scales = {}
    for method in ("oi_vae", "oi_vae_blocks"):
        module = build(method, groups=4, dim=64)
        with torch.no_grad():
            scales[method] = module.generate(module.generator_inputs(latents)).var(0).mean().item()
    assert scales["oi_vae_blocks"] == pytest.approx(scales["oi_vae"], rel=0.5)
