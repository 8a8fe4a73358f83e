"""What a sparsity method reads in one step.

batch: images; sites: tokens of an image, or 1 where they are pooled; dim features.
"""

from dataclasses import dataclass
from typing import NamedTuple

from jaxtyping import Float
from torch import Tensor


class Strengths(NamedTuple):
    """Factors of one step, after warm-up: weight of a reconstruction, beta of its KL divergence, lambda of
    the sparsity."""

    weight: float
    beta: float
    lambda_: float


@dataclass(frozen=True)
class SparsityBatch:
    """The embeddings of a micro-batch over all processes, and what goes with them.

    tokens: context embeddings or predicted tokens, with gradient. targets: the target encoder's features of
    the same patches, standardised, without gradient. noise: random numbers of each token. directions: random
    numbers that all tokens share. prediction: the JEPA's prediction loss, None where the module predicts.
    """

    tokens: Float[Tensor, "batch sites dim"]
    targets: Float[Tensor, "batch sites dim"]
    noise: Float[Tensor, "batch sites _"] | None
    directions: Float[Tensor, "dim _"] | None
    strengths: Strengths
    prediction: Float[Tensor, ""] | None
