"""A small oi-VAE module, and data that it can explain."""

import torch
from conftest import default_tree, override

from pipeline.params import SparsityParams
from pipeline.sparsity.batch import SparsityBatch, Strengths
from pipeline.sparsity.oi_vae import OiVae


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


def learn(
    module: OiVae, tokens: torch.Tensor, targets: torch.Tensor, strengths: Strengths, steps: int
) -> None:
    """Steps of the whole module, on one batch without latent noise."""
    weights = [weight for name, weight in module.named_parameters() if name not in module.own_optimizer()]
    optimizer = torch.optim.Adam(weights, lr=0.02)
    noise = torch.zeros(*tokens.shape[:2], module.W.shape[2])
    for _ in range(steps):
        module.zero_grad()
        module(batch(tokens, targets, noise, strengths))["reconstruction"].backward()
        optimizer.step()
        module.proximal_step(1.0, strengths)


def group_gradient(module: OiVae, tokens: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """Gradient of each group's own mean error for its W, without latent noise."""
    noise = torch.zeros(*tokens.shape[:2], module.W.shape[2])
    terms = module(batch(tokens, targets, noise, Strengths(1.0, 0.0, 0.0)))
    (gradient,) = torch.autograd.grad(terms["reconstruction"] * module.groups, module.W)
    return gradient
