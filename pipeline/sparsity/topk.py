"""Hard group sparsity: a linear code of the token, of which only the k strongest groups reach the decoder.

The gradient passes the selection unchanged (straight-through, Bengio et al. 2013), so groups that were not
chosen learn too. Here groups are groups of latents, and k (sparsity.topk) is the dial in the place of lambda.
"""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from pipeline.params import SparsityParams
from pipeline.sparsity.method import RUNNING, SparsityMethod, Strengths, average


def keep_strongest(codes: Float[Tensor, "*batch groups size"], k: int) -> Float[Tensor, "*batch groups size"]:
    """The k groups of largest norm, zero elsewhere; the gradient is that of the identity."""
    energies = codes.square().sum(-1)
    strongest = energies.topk(k, dim=-1)
    kept = torch.zeros_like(energies).scatter(-1, strongest.indices, torch.ones_like(strongest.values))
    return codes + (codes * kept[..., None] - codes).detach()


class GroupTopK(SparsityMethod):
    """zero_share: of latents that are exactly zero, 1 - k / groups."""

    zeros: Float[Tensor, ""]

    def __init__(self, sparsity: SparsityParams, dim: int) -> None:
        super().__init__(sparsity, dim)
        self.k = sparsity.topk
        self.encode = nn.Linear(dim, sparsity.latent_dim)
        self.decode = nn.Linear(sparsity.latent_dim, dim)
        self.register_buffer("zeros", torch.zeros(()))

    def codes(self, tokens: Float[Tensor, "*batch dim"]) -> Float[Tensor, "*batch groups size"]:
        return keep_strongest(self.encode(tokens).unflatten(-1, (self.groups, -1)), self.k)

    def forward(
        self,
        tokens: Float[Tensor, "batch sites dim"],
        targets: Float[Tensor, "batch sites dim"],
        noise: Float[Tensor, "batch sites _"] | None,
        directions: Float[Tensor, "dim _"] | None,
        strengths: Strengths,
        prediction: Float[Tensor, ""],
    ) -> dict[str, Tensor]:
        codes = self.codes(tokens)
        self.watch(codes.detach().square().mean(-1), targets)
        average(self.zeros, (codes.detach() == 0).float().mean(), RUNNING)
        missed = self.decode(codes.flatten(-2)) - targets
        return {"topk": strengths.weight * missed.square().mean() / 2}

    def latents(self, tokens: Float[Tensor, "*batch dim"]) -> Float[Tensor, "*batch latents"]:
        return self.codes(tokens).flatten(-2)

    def energies(self, tokens: Float[Tensor, "*batch dim"]) -> Float[Tensor, "*batch groups"]:
        """Mean square of a group's latents."""
        return self.codes(tokens).square().mean(-1)

    def describe(self) -> dict[str, float]:
        return {"zero_share": self.zeros.item(), "active_groups": self.active_groups.item()}
