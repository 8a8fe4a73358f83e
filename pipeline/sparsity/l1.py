"""The l1 norm of layer-normalised tokens: single features are driven to zero.

dim features in groups of size.
"""

from jaxtyping import Float
from torch import Tensor

from pipeline.sparsity.penalty import Penalty


def l1(features: Float[Tensor, "*batch dim"]) -> Float[Tensor, ""]:
    """Mean absolute value."""
    return features.abs().mean()


class L1(Penalty):
    """sparsity.method: l1."""

    term = "l1"

    def penalty(self, grouped: Float[Tensor, "*batch groups size"]) -> Float[Tensor, ""]:
        return l1(grouped)

    def magnitudes(self, grouped: Float[Tensor, "*batch groups size"]) -> Float[Tensor, "*batch groups size"]:
        """Absolute value of each feature."""
        return grouped.abs()
