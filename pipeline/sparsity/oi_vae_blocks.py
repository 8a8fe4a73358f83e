"""The oi-VAE with a given pattern of zeros: each latent feeds one group, from the first step on.

It is a control. The penalty of oi_vae comes to such a pattern by itself, latent by latent. What this module
does as well belongs to the pattern, and the rest to choosing which latent feeds which group.
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
        group_of_latent = torch.arange(self.groups, device=self.W.device).repeat_interleave(
            self.W.shape[2] // self.groups
        )
        self.W.mul_(group_of_latent == torch.arange(self.groups, device=self.W.device)[:, None, None])
