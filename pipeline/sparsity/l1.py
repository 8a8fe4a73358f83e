"""The l1 norm of tokens: most tokens use few features.

dim features in groups of size.
"""

from jaxtyping import Float
from torch import Tensor

from pipeline.sparsity.penalty import Penalty


class L1(Penalty):
    """sparsity.method: l1."""

    term = "l1"

    def sizes(self, grouped: Float[Tensor, "batch sites groups size"]) -> Float[Tensor, "batch sites dim"]:
        """Absolute value of each feature."""
        return grouped.abs().flatten(-2)
