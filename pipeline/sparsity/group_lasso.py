"""The group lasso on layer-normalised tokens: whole groups of features are driven to zero.

dim features in groups of size.
"""

from jaxtyping import Float
from torch import Tensor

from pipeline.sparsity.penalty import Penalty

SMOOTH = 1e-8  # keeps the gradient of a norm finite at zero


def group_lasso(grouped: Float[Tensor, "*batch groups size"]) -> Float[Tensor, ""]:
    """Mean over tokens of sum_g sqrt(size) |h^(g)|_2 / dim; the l1 norm / dim for groups of one feature."""
    groups, size = grouped.shape[-2:]
    norms = (grouped.square().sum(-1) + SMOOTH).sqrt()
    return norms.sum(-1).mean() * size**0.5 / (groups * size)


class GroupLasso(Penalty):
    """sparsity.method: group_lasso."""

    term = "group_lasso"

    def penalty(self, grouped: Float[Tensor, "*batch groups size"]) -> Float[Tensor, ""]:
        return group_lasso(grouped)

    def magnitudes(self, grouped: Float[Tensor, "*batch groups size"]) -> Float[Tensor, "*batch groups"]:
        """Root mean square of each group."""
        return grouped.square().mean(-1).sqrt()
