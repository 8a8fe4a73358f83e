"""The oi-VAE with a given pattern of zeros: each latent feeds one group, from the first step on.

It is a control of oi_vae, whose penalty ends in such a pattern too. What both modules gain is owed to the
pattern. What oi_vae gains beyond that is owed to the penalty, or to its choice of a group for each latent.
"""

import torch
from jaxtyping import Int
from torch import Tensor

from pipeline.params import SparsityParams
from pipeline.sparsity.batch import Strengths
from pipeline.sparsity.oi_vae import OiVae


class OiVaeBlocks(OiVae):
    """sparsity.method: oi_vae_blocks. Of W only the columns of a group's own latents differ from zero."""

    def __init__(self, sparsity: SparsityParams, dim: int) -> None:
        super().__init__(sparsity, dim)
        with torch.no_grad():
            self.W.mul_(self.groups**0.5)  # so many times fewer latents add up to unit variance
            self._keep_own_columns()

    def latent_groups(self) -> Int[Tensor, "groups size"]:
        """Neighbours."""
        return torch.arange(self.W.shape[2], device=self.W.device).view(self.groups, -1)

    @torch.no_grad()
    def proximal_step(self, learning_rate: float, strengths: Strengths) -> None:
        """OiVae's, of the own columns alone."""
        super().proximal_step(learning_rate, strengths)
        self._keep_own_columns()

    def _keep_own_columns(self) -> None:
        groups = torch.arange(self.groups, device=self.W.device)
        group_of_latent = groups.repeat_interleave(self.W.shape[2] // self.groups)
        self.W.mul_(groups[:, None, None] == group_of_latent)
