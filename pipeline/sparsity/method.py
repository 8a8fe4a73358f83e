"""What every sparsity method shares: its groups, its running state, and what it says of itself.

batch: images; sites: tokens of an image, or 1 where they are pooled; dim features; groups; latents.
"""

from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from pipeline.files import ParamsError
from pipeline.params import SparsityParams
from pipeline.sparsity.groups import cluster_features, count_active, match_groups

RUNNING = 0.05  # weight of a step in the running means
CORRELATION_STEPS = 0.01  # weight of a step in the running correlations: some 100 steps


class Strengths(NamedTuple):
    """Of one step, after warm-up: of a reconstruction, of its KL divergence, of the sparsity."""

    weight: float
    beta: float
    lambda_: float


class SparsityMethod(nn.Module):
    """Base of the methods. `forward` returns weighted loss terms by name, to be added to the JEPA's."""

    order: Int[Tensor, " dim"]
    active_groups: Float[Tensor, ""]
    correlation: Float[Tensor, "dim dim"]

    def __init__(self, sparsity: SparsityParams, dim: int) -> None:
        super().__init__()
        if dim % sparsity.groups:
            raise ParamsError(
                f"sparsity.groups: must divide the encoder's embed_dim ({dim}), got {sparsity.groups}"
            )
        self.groups = sparsity.groups
        self.register_buffer("order", torch.arange(dim))
        self.register_buffer("active_groups", torch.zeros(()))
        if sparsity.assignment == "learned":
            self.register_buffer("correlation", torch.zeros(dim, dim))

    def draw(
        self, batch: int, sites: int, generator: torch.Generator
    ) -> tuple[Float[Tensor, "batch sites _"] | None, Float[Tensor, "dim _"] | None]:
        """The random numbers of a step: those of each token, and those that all share."""
        return None, None

    def forward(
        self,
        tokens: Float[Tensor, "batch sites dim"],
        targets: Float[Tensor, "batch sites dim"],
        noise: Float[Tensor, "batch sites _"] | None,
        directions: Float[Tensor, "dim _"] | None,
        strengths: Strengths,
        prediction: Float[Tensor, ""],
    ) -> dict[str, Tensor]:
        """tokens: context embeddings, with gradient. targets: standardised, without. prediction: the JEPA's
        loss. noise, directions: of `draw`."""
        raise NotImplementedError

    def energies(self, tokens: Float[Tensor, "*batch dim"]) -> Float[Tensor, "*batch groups"]:
        """How much each group holds of a token, >= 0."""
        raise NotImplementedError

    def latents(self, tokens: Float[Tensor, "*batch dim"]) -> Float[Tensor, "*batch latents"] | None:
        """The code of a token; None where the method has no code besides the embedding."""
        return None

    def interaction(self) -> Float[Tensor, "groups latents"] | None:
        """Column norms of W; None where there is no W."""
        return None

    def proximal_step(self, learning_rate: float, strengths: Strengths) -> None:
        """After the optimiser's: update what it does not."""

    def describe(self) -> dict[str, float]:
        """zero_share and active_groups, and what else the method has: a row of the history."""
        raise NotImplementedError

    def regroup(self, order: Int[Tensor, " dim"]) -> None:
        """Take over another assignment of features to groups."""
        self.order.copy_(order)

    @torch.no_grad()
    def watch(
        self, energies: Float[Tensor, "batch sites groups"], targets: Float[Tensor, "batch sites dim"]
    ) -> None:
        """Update the running means of a training step."""
        average(self.active_groups, count_active(energies.mean(1)), RUNNING)
        if hasattr(self, "correlation"):
            flat = targets.flatten(0, 1)
            average(self.correlation, flat.T @ flat / len(flat), CORRELATION_STEPS)

    @torch.no_grad()
    def learn_groups(self) -> None:
        """Regroup by the squared correlations of the target features (`sparsity.assignment: learned`)."""
        learned = cluster_features(self.correlation.square(), self.groups)
        self.regroup(match_groups(learned, self.order, self.groups))


def average(running: Tensor, value: Tensor, weight: float) -> None:
    """running <- (1 - weight) running + weight value, in place. Not lerp_: vmap has no rule for it."""
    running.mul_(1 - weight).add_(value, alpha=weight)
