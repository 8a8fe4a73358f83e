"""The proximal operator of the group lasso: what makes columns of W exactly zero.

groups x p x latents: column j of W^(g) carries latent j into group g.
Source: Parikh & Boyd 2014, Proximal Algorithms, section 6.5.4.
"""

import torch
from jaxtyping import Float
from torch import Tensor


def shrink_columns(
    weights: Float[Tensor, "groups p latents"], threshold: float | Float[Tensor, ""]
) -> Float[Tensor, "groups p latents"]:
    """argmin_V |V - W|^2 / 2 + threshold * sum_gj |V^(g)_j|: W^(g)_j * max(0, 1 - threshold / |W^(g)_j|).

    Columns whose norm is at most the threshold become exactly zero.
    """
    norms = column_norms(weights)[:, None, :]
    return weights * (1 - threshold / norms.clamp(min=torch.finfo(weights.dtype).tiny)).clamp(min=0)


def column_norms(weights: Float[Tensor, "groups p latents"]) -> Float[Tensor, "groups latents"]:
    """The interaction matrix |W^(g)_j|_2: nonzero where latent j is shared by the features of group g."""
    return torch.linalg.vector_norm(weights, dim=1)
