"""Ridge regression over a grid of penalties from one decomposition.

Legend: images, dim of the features, strengths of the grid, targets (one column per label).
"""

import torch
from jaxtyping import Float
from torch import Tensor

CHUNK = 16384


def ridge(
    features: Float[Tensor, "images dim"],
    targets: Float[Tensor, "images targets"],
    strengths: tuple[float, ...],
) -> Float[Tensor, "strengths dim_and_bias targets"]:
    """Weights, the bias last, that minimise mean_i (w z_i + b - y_i)^2 + l2 |w|^2 for every strength.

    One decomposition Z'Z / n = U diag(e) U' serves all: w = U diag(1 / (e + l2)) U' Z'Y / n, of centred Z and
    Y. scikit-learn's alpha is images * l2. float64.
    """
    mean, centre = features.mean(0, dtype=torch.float64), targets.double().mean(0)
    dim, num_targets = features.shape[1], targets.shape[1]
    gram = torch.zeros(dim, dim + num_targets, dtype=torch.float64, device=features.device)
    for chunk, values in zip(features.split(CHUNK), targets.split(CHUNK), strict=True):
        centred = chunk.double() - mean
        gram += centred.T @ torch.cat([centred, values.double() - centre], dim=1) / len(features)
    values, vectors = torch.linalg.eigh(gram[:, :dim])
    moments = vectors.T @ gram[:, dim:]
    solutions = torch.stack([vectors @ (moments / (values.clamp(min=0) + l2)[:, None]) for l2 in strengths])
    bias = centre - torch.einsum("d,sdt->st", mean, solutions)
    return torch.cat([solutions, bias[:, None]], dim=1)


def apply_ridge(
    weights: Float[Tensor, "strengths dim_and_bias targets"], features: Float[Tensor, "images dim"]
) -> Float[Tensor, "strengths images targets"]:
    """w z + b, float64."""
    return features.double() @ weights[:, :-1] + weights[:, -1:]
