"""Hard group sparsity: a linear code of the token, of which only the k strongest groups reach the decoder.

The gradient passes the selection unchanged (straight-through, Bengio et al. 2013), so groups that were not
chosen learn too. Here groups are groups of latents, and k (sparsity.topk) is the dial in the place of lambda.
"""

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from pipeline.params import SparsityParams
from pipeline.sparsity.batch import SparsityBatch
from pipeline.sparsity.method import RUNNING, SparsityMethod, update_running_mean


def keep_strongest(codes: Float[Tensor, "*batch groups size"], k: int) -> Float[Tensor, "*batch groups size"]:
    """The k groups of largest norm, zero elsewhere; the gradient is that of the identity."""
    energies = codes.square().sum(-1)
    strongest = energies.topk(k, dim=-1)
    mask = torch.zeros_like(energies).scatter(-1, strongest.indices, torch.ones_like(strongest.values))
    return codes + (codes * mask[..., None] - codes).detach()


class GroupTopK(SparsityMethod):
    """sparsity.method: topk. Its groups are groups of latents."""

    zeros: Float[Tensor, ""]

    def __init__(self, sparsity: SparsityParams, dim: int) -> None:
        super().__init__(sparsity, dim)
        self.k = sparsity.topk
        self.encode = nn.Linear(dim, sparsity.latent_dim)
        self.decode = nn.Linear(sparsity.latent_dim, dim)
        self.register_buffer("zeros", torch.zeros(()))

    def codes(self, tokens: Float[Tensor, "*batch dim"]) -> Float[Tensor, "*batch groups size"]:
        """Latents by group, zero outside the k strongest groups."""
        return keep_strongest(self.encode(tokens).unflatten(-1, (self.groups, -1)), self.k)

    def forward(self, batch: SparsityBatch) -> dict[str, Tensor]:
        """One term: weight * the mean squared error of the decoded targets / 2."""
        codes = self.codes(batch.tokens)
        self.update_statistics(codes.detach().square().mean(-1), batch.targets)
        update_running_mean(self.zeros, (codes.detach() == 0).float().mean(), RUNNING)
        error = self.decode(codes.flatten(-2)) - batch.targets
        return {"topk": batch.strengths.weight * error.square().mean() / 2}

    def latents(self, tokens: Float[Tensor, "*batch dim"]) -> Float[Tensor, "*batch latents"]:
        """The same, side by side."""
        return self.codes(tokens).flatten(-2)

    def feature_groups(self) -> None:
        """None: a group is one of latents."""

    def latent_groups(self) -> Int[Tensor, "groups size"]:
        """Neighbours."""
        return torch.arange(self.encode.out_features).view(self.groups, -1)

    def energies(self, tokens: Float[Tensor, "*batch dim"]) -> Float[Tensor, "*batch groups"]:
        """Mean square of a group's latents."""
        return self.codes(tokens).square().mean(-1)

    def describe(self) -> dict[str, float]:
        """zero_share: of latents that are exactly zero, 1 - k / groups, in [0, 1]; active_groups: groups per
        image. Both are running means over the last 20 steps or so."""
        return {"zero_share": self.zeros.item(), "active_groups": self.active_groups.item()}
