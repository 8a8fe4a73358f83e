"""lambda_max: the smallest strength of the penalty on W at which every column is zero, whatever the latents.

The scale of sparsity.lambda for oi_vae, as in glmnet (Friedman, Hastie & Tibshirani 2010, section 2.5). There
the inputs are given. Here latents are learned, and while they specialise their gradients grow. A scale that
followed them would make a lambda stronger in the course of a run. This one is that of the best latents that
there could be, so it depends on targets and generators alone.

batch: images; sites: tokens; features in groups of size; p: width of a generator; latents.
"""

import torch
from jaxtyping import Float
from torch import Tensor

from pipeline.sparsity.method import update_running_mean

DECAY = 0.01  # weight of a micro-batch in the descent of the estimate: some 100 steps
SLACK = 1e-3  # at lambda 1 rounding must not revive a column, and the last column must reach zero
SQUARINGS = 3


@torch.no_grad()
def smallest_dead_strength(
    targets: Float[Tensor, "batch sites groups size"],
    latents: Float[Tensor, "batch sites latents"],
    generators: Float[Tensor, "groups size p"],
) -> Float[Tensor, ""]:
    """max_g |A_g^T E[t_g t_g^T]^(1/2)|_2 / size, times the largest rms of a latent.

    Where W is zero, the gradient of |t_g - A_g W^(g) z|^2 / (2 size) for a column is A_g^T E[t_g z_j] / size.
    By the inequality of Cauchy and Schwarz no z_j makes it longer than this. The first principal component of
    A_g^T t_g makes it as long. targets: t_g, less all that is generated where W is zero.
    """
    projected = torch.einsum("bngs,gsp->bngp", targets, generators).flatten(0, 1)
    moments = torch.einsum("ngp,ngq->gpq", projected, projected) / len(projected)
    rms = latents.square().mean((0, 1)).amax().sqrt()
    return largest_eigenvalues(moments).amax().sqrt() / targets.shape[-1] * rms


def largest_eigenvalues(matrices: Float[Tensor, "groups p p"]) -> Float[Tensor, " groups"]:
    """Of symmetric matrices M >= 0, from above: (tr M^8)^(1/8), which is at most p^(1/8) times too large.

    A decomposition would make a GPU wait for the CPU in every step.
    """
    traces = matrices.diagonal(dim1=-2, dim2=-1).sum(-1).clamp(min=torch.finfo(matrices.dtype).tiny)
    powers = matrices / traces[:, None, None]
    for _ in range(SQUARINGS):
        powers = powers @ powers
    return traces * powers.diagonal(dim1=-2, dim2=-1).sum(-1) ** (0.5**SQUARINGS)


@torch.no_grad()
def follow(estimate: Float[Tensor, "*shape"], value: Float[Tensor, "*shape"]) -> None:
    """Move estimates, in place, to a thousandth above the value of a micro-batch: at once where it rises,
    1 % of the way where it falls.

    It is therefore never below the step's own value: neither below that of a micro-batch, nor, for up to
    1 / DECAY of them, below the mean over micro-batches, which bounds the norm of their mean gradient.
    """
    raised = value * (1 + SLACK)
    update_running_mean(estimate, raised, DECAY)
    estimate.copy_(torch.maximum(estimate, raised))
