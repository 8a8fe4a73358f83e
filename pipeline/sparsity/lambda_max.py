"""lambda_max: the smallest strength of the penalty on W at which every column is zero.

The scale of sparsity.lambda for oi_vae, as in glmnet (Friedman, Hastie & Tibshirani 2010, section 2.5).

batch: images; sites: tokens; features in groups of size; p: width of a generator; latents.
"""

import torch
from jaxtyping import Float
from torch import Tensor

from pipeline.sparsity.method import update_running_mean
from pipeline.sparsity.proximal import column_norms

DECAY = 0.01  # weight of a micro-batch in the descent of the estimate: some 100 steps
SLACK = 1e-3  # at lambda 1 rounding must not revive a column, and the last column must reach zero


@torch.no_grad()
def smallest_dead_strength(
    targets: Float[Tensor, "batch sites groups size"],
    latents: Float[Tensor, "batch sites latents"],
    generators: Float[Tensor, "groups size p"],
) -> Float[Tensor, ""]:
    """max_gj |A_g^T E[t_g z_j]| / size: the largest gradient of a column where W is zero.

    It is the gradient of |t_g - A_g W^(g) z|^2 / (2 size), the mean error of a group. targets: t_g, less all
    that is generated where W is zero.
    """
    moments = torch.einsum("...gs,...k->gsk", targets, latents) / latents.shape[:-1].numel()
    return column_norms(generators.mT @ moments).amax() / targets.shape[-1]


@torch.no_grad()
def follow(estimate: Float[Tensor, ""], value: Float[Tensor, ""]) -> None:
    """Move an estimate, in place, to a thousandth above the value of a micro-batch: at once where it rises,
    1 % of the way where it falls.

    It is therefore never below the step's own value: neither below that of a micro-batch, nor, for up to
    1 / DECAY of them, below the mean over micro-batches, which bounds the norm of their mean gradient.
    """
    raised = value * (1 + SLACK)
    update_running_mean(estimate, raised, DECAY)
    estimate.copy_(torch.maximum(estimate, raised))
