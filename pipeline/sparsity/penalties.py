"""Two penalties on the embedding itself: group lasso and l1, on layer-normalised tokens.

Their scale is fixed by the layer-norm, so shrinking every feature does not lower them. Both lie in (0, 1],
1 where all groups (features) hold the same, and are taken relative to the prediction loss: lambda = 0.1 adds
a tenth of it at most. A fixed weight instead dwarfs a prediction loss that falls tenfold during training.

dim features in groups of size.
"""

from typing import Literal

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from pipeline.params import SparsityParams
from pipeline.sparsity.groups import split_groups
from pipeline.sparsity.method import RUNNING, SparsityMethod, Strengths, average

NEAR_ZERO = 0.1  # of a feature's or a group's rms, which the layer-norm sets to 1 on average
SMOOTH = 1e-8  # keeps the gradient of a norm finite at zero


def group_lasso(grouped: Float[Tensor, "*batch groups size"]) -> Float[Tensor, ""]:
    """Mean over tokens of sum_g sqrt(size) |h^(g)|_2 / dim; the l1 norm / dim for groups of one feature."""
    groups, size = grouped.shape[-2:]
    norms = (grouped.square().sum(-1) + SMOOTH).sqrt()
    return norms.sum(-1).mean() * size**0.5 / (groups * size)


def l1(features: Float[Tensor, "*batch dim"]) -> Float[Tensor, ""]:
    """Mean absolute value."""
    return features.abs().mean()


class Penalty(SparsityMethod):
    """zero_share: of groups (group_lasso) or features (l1) below a tenth of the rms. No weights."""

    near_zero: Float[Tensor, ""]

    def __init__(self, sparsity: SparsityParams, dim: int, name: Literal["group_lasso", "l1"]) -> None:
        super().__init__(sparsity, dim)
        self.name = name
        self.register_buffer("near_zero", torch.zeros(()))

    def grouped(self, tokens: Float[Tensor, "*batch dim"]) -> Float[Tensor, "*batch groups size"]:
        return split_groups(F.layer_norm(tokens, tokens.shape[-1:]), self.order, self.groups)

    def forward(
        self,
        tokens: Float[Tensor, "batch sites dim"],
        targets: Float[Tensor, "batch sites dim"],
        noise: Float[Tensor, "batch sites _"] | None,
        directions: Float[Tensor, "dim _"] | None,
        strengths: Strengths,
        prediction: Float[Tensor, ""],
    ) -> dict[str, Tensor]:
        grouped = self.grouped(tokens)
        energies = grouped.detach().square().mean(-1)
        self.watch(energies, targets)
        sizes = energies.sqrt() if self.name == "group_lasso" else grouped.detach().abs()
        average(self.near_zero, (sizes < NEAR_ZERO).float().mean(), RUNNING)
        penalty = group_lasso(grouped) if self.name == "group_lasso" else l1(grouped)
        return {self.name: strengths.lambda_ * prediction.detach() * penalty}

    def energies(self, tokens: Float[Tensor, "*batch dim"]) -> Float[Tensor, "*batch groups"]:
        """Mean square of a group's layer-normalised features."""
        return self.grouped(tokens).square().mean(-1)

    def describe(self) -> dict[str, float]:
        return {"zero_share": self.near_zero.item(), "active_groups": self.active_groups.item()}
