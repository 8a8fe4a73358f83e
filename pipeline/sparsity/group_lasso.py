"""The group lasso on tokens: most tokens use few groups of features.

dim features in groups of size.
"""

from jaxtyping import Float
from torch import Tensor

from pipeline.sparsity.penalty import SMOOTH, Penalty


class GroupLasso(Penalty):
    """sparsity.method: group_lasso."""

    term = "group_lasso"

    def sizes(self, grouped: Float[Tensor, "batch sites groups size"]) -> Float[Tensor, "batch sites groups"]:
        """Euclidean norm of each group."""
        return (grouped.square().sum(-1) + SMOOTH).sqrt()
