"""What the two penalties on the embedding itself share: they act on layer-normalised tokens.

The layer-norm fixes their scale, so shrinking every feature does not lower them. Both lie in (0, 1] and are 1
if all groups (features) hold the same. They are multiplied by the prediction loss: lambda = 0.1 adds a tenth
of it at most. With a fixed weight they would outgrow the prediction loss, which falls tenfold during
training.

dim features in groups of size.
"""

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from pipeline.params import SparsityParams
from pipeline.sparsity.batch import SparsityBatch
from pipeline.sparsity.groups import split_groups
from pipeline.sparsity.method import RUNNING, SparsityMethod, update_running_mean

NEAR_ZERO = 0.1  # of a feature's or a group's rms, which the layer-norm sets to 1 on average


class Penalty(SparsityMethod):
    """Base of group_lasso and l1. It has no weights."""

    term: str  # name of the loss term
    near_zero: Float[Tensor, ""]

    def __init__(self, sparsity: SparsityParams, dim: int) -> None:
        super().__init__(sparsity, dim)
        self.register_buffer("near_zero", torch.zeros(()))

    def penalty(self, grouped: Float[Tensor, "*batch groups size"]) -> Float[Tensor, ""]:
        """The penalty on layer-normalised features, in (0, 1]."""
        raise NotImplementedError

    def magnitudes(self, grouped: Float[Tensor, "*batch groups size"]) -> Float[Tensor, "*batch any"]:
        """Sizes that count as zero below NEAR_ZERO."""
        raise NotImplementedError

    def grouped(self, tokens: Float[Tensor, "*batch dim"]) -> Float[Tensor, "*batch groups size"]:
        """Layer-normalised features, group by group."""
        return split_groups(F.layer_norm(tokens, tokens.shape[-1:]), self.order, self.groups)

    def forward(self, batch: SparsityBatch) -> dict[str, Tensor]:
        """One term: lambda * prediction loss * penalty, with no gradient for the prediction."""
        grouped = self.grouped(batch.tokens)
        detached = grouped.detach()
        self.update_statistics(detached.square().mean(-1), batch.targets)
        near_zero = (self.magnitudes(detached) < NEAR_ZERO).float().mean()
        update_running_mean(self.near_zero, near_zero, RUNNING)
        return {self.term: batch.strengths.lambda_ * batch.prediction.detach() * self.penalty(grouped)}

    def energies(self, tokens: Float[Tensor, "*batch dim"]) -> Float[Tensor, "*batch groups"]:
        """Mean square of a group's layer-normalised features."""
        return self.grouped(tokens).square().mean(-1)

    def describe(self) -> dict[str, float]:
        """zero_share: of groups (group_lasso) or features (l1) below a tenth of the rms, in [0, 1];
        active_groups: groups per image. Both are running means over the last 20 steps or so."""
        return {"zero_share": self.near_zero.item(), "active_groups": self.active_groups.item()}
