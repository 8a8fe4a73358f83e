"""What every sparsity method shares: its groups, its running statistics, and the numbers that it reports.

batch: images; sites: tokens of an image, or 1 where they are pooled; dim features; groups; latents.
"""

from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from pipeline.files import ParamsError
from pipeline.params import SparsityParams
from pipeline.sparsity.batch import SparsityBatch, Strengths
from pipeline.sparsity.groups import cluster_features, count_active, match_groups

RUNNING = 0.05  # weight of a step in the running means
CORRELATION_STEPS = 0.01  # weight of a step in the running correlations: some 100 steps


class SparsityMethod(nn.Module):
    """Base of the methods. A new one is a file of this room with one subclass; the file bears the name that
    `sparsity.method` gives the method, and pipeline.sparsity.build finds it.

    A subclass has `forward`, `energies` and `describe`; the other functions have a default here.
    """

    rectifies_embedding = False  # whether the predictor reads and predicts relu of the encoder's tokens

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
        """The random numbers of a step: `noise` and `directions` of the SparsityBatch."""
        return None, None

    def forward(self, batch: SparsityBatch) -> dict[str, Tensor]:
        """Weighted loss terms by name, to be added to the JEPA's."""
        raise NotImplementedError

    def energies(self, tokens: Float[Tensor, "*batch dim"]) -> Float[Tensor, "*batch groups"]:
        """How much each group holds of a token, >= 0."""
        raise NotImplementedError

    def latents(self, tokens: Float[Tensor, "*batch dim"]) -> Float[Tensor, "*batch latents"] | None:
        """The code of a token; None where the method has no code besides the embedding."""
        return None

    def feature_groups(self) -> Int[Tensor, "groups size"] | None:
        """The features of each group; None where groups are not of features."""
        return self.order.view(self.groups, -1)

    def latent_groups(self) -> Int[Tensor, "groups size"] | None:
        """The latents of each group; None where a latent may serve several groups, or there is no code."""
        return None

    def interaction(self) -> Float[Tensor, "groups latents"] | None:
        """Column norms of W; None where there is no W."""
        return None

    def own_optimizer(self) -> set[str]:
        """Names of the parameters that `proximal_step` updates in the place of AdamW."""
        return set()

    def proximal_step(self, learning_rate: float, strengths: Strengths) -> None:
        """After AdamW's step: update the parameters of `own_optimizer` and clear their gradients."""

    def describe(self) -> dict[str, float]:
        """Numbers of a row of the history: zero_share in [0, 1], active_groups per image, and others.

        Each method says of what its zero_share is a share.
        """
        raise NotImplementedError

    def describe_latents(self) -> dict[str, Any]:
        """Further numbers for the run's metrics, of each latent."""
        return {}

    def regroup(self, order: Int[Tensor, " dim"]) -> None:
        """Take over another assignment of features to groups."""
        self.order.copy_(order)

    @torch.no_grad()
    def update_statistics(
        self, energies: Float[Tensor, "batch sites groups"], targets: Float[Tensor, "batch sites dim"]
    ) -> None:
        """Update the running means after a micro-batch: active groups, and where groups are learned the
        correlations of the target features."""
        update_running_mean(self.active_groups, count_active(energies.mean(1)), RUNNING)
        if hasattr(self, "correlation"):
            flat = targets.flatten(0, 1)
            update_running_mean(self.correlation, flat.T @ flat / len(flat), CORRELATION_STEPS)

    @torch.no_grad()
    def learn_groups(self) -> None:
        """Regroup by the squared correlations of the target features (`sparsity.assignment: learned`)."""
        learned = cluster_features(self.correlation.square(), self.groups)
        self.regroup(match_groups(learned, self.order, self.groups))


def update_running_mean(mean: Tensor, value: Tensor, weight: float) -> None:
    """mean <- (1 - weight) mean + weight value, in place. Not lerp_: vmap has no rule for it."""
    mean.mul_(1 - weight).add_(value, alpha=weight)
