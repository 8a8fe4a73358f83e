"""What the two penalties on the embedding itself share: how seldom groups (features) are in use.

    mean over g of E[n_g] / sqrt(E[n_g^2]), n_g >= 0 the size of group g in a token, E over the batch's tokens

A group that has one size in a share q of the tokens and is zero in the others counts sqrt(q). So the penalty
lies in (0, 1], and is 1 where every group has the same size in all tokens. Each group is measured by its own
root mean square: shrinking it does not lower the penalty, and neither does what a penalty within a token
rewards, the same few groups in all tokens, which is a collapse.

The penalty is multiplied by the prediction loss: lambda = 1 adds as much as that at most. With a fixed weight
it would outgrow the prediction loss, which falls tenfold during training.

dim features in groups of size.
"""

import torch
from jaxtyping import Float
from torch import Tensor

from pipeline.params import SparsityParams
from pipeline.sparsity.batch import SparsityBatch
from pipeline.sparsity.groups import split_groups
from pipeline.sparsity.method import RUNNING, SparsityMethod, update_running_mean

NEAR_ZERO = 0.1  # of a feature's or a group's root mean square over the batch
SMOOTH = 1e-8  # keeps the gradient of a root finite at zero


def mean_over_rms(sizes: Float[Tensor, "batch sites units"]) -> Float[Tensor, " units"]:
    """E[n] / sqrt(E[n^2]) of each unit over the batch, in (0, 1]."""
    return sizes.mean((0, 1)) / (sizes.square().mean((0, 1)) + SMOOTH).sqrt()


class Penalty(SparsityMethod):
    """Base of group_lasso and l1. It has no weights."""

    term: str  # name of the loss term
    near_zero: Float[Tensor, ""]

    def __init__(self, sparsity: SparsityParams, dim: int) -> None:
        super().__init__(sparsity, dim)
        self.register_buffer("near_zero", torch.zeros(()))

    def sizes(self, grouped: Float[Tensor, "batch sites groups size"]) -> Float[Tensor, "batch sites units"]:
        """The size of each unit of the penalty in a token, >= 0."""
        raise NotImplementedError

    def forward(self, batch: SparsityBatch) -> dict[str, Tensor]:
        """One term: lambda * prediction loss * penalty, with no gradient for the prediction."""
        sizes = self.sizes(split_groups(batch.tokens, self.order, self.groups))
        self.update_statistics(self.energies(batch.tokens.detach()), batch.targets)
        detached = sizes.detach()
        root_mean_square = detached.square().mean((0, 1)).sqrt()
        near_zero = (detached < NEAR_ZERO * root_mean_square).float().mean()
        update_running_mean(self.near_zero, near_zero, RUNNING)
        penalty = mean_over_rms(sizes).mean()
        assert batch.prediction is not None
        return {self.term: batch.strengths.lambda_ * batch.prediction.detach() * penalty}

    def energies(self, tokens: Float[Tensor, "*batch dim"]) -> Float[Tensor, "*batch groups"]:
        """Mean square of a group's features."""
        return split_groups(tokens, self.order, self.groups).square().mean(-1)

    def describe(self) -> dict[str, float]:
        """zero_share: of groups (group_lasso) or features (l1) below a tenth of their rms, in [0, 1];
        active_groups: groups per image. Both are running means over the last 20 steps or so."""
        return {"zero_share": self.near_zero.item(), "active_groups": self.active_groups.item()}
