"""Standardised features in their principal components: where probes are fitted.

The rotation makes the directions uncorrelated and leaves the penalty |W|^2 of a probe unchanged.

Legend: images, dim of the features, components <= dim.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

CHUNK = 16384
CONSTANT = 1e-6  # std / |mean| below which a dimension is constant: float32 cannot hold less
NO_VARIANCE = 1e-12  # of the largest component: below is rounding, on which no weight is learned


@dataclass(frozen=True)
class Components:
    """Standardisation and rotation: z = ((x - mean) * inverse_std) @ rotation.

    inverse_std: 0 for dimensions that are constant over the training images. variance: of each component
    over the training images, descending and positive.
    """

    mean: Float[Tensor, " dim"]
    inverse_std: Float[Tensor, " dim"]
    rotation: Float[Tensor, "dim components"]
    variance: Float[Tensor, " components"]

    def __call__(self, features: Float[Tensor, "images dim"]) -> Float[Tensor, "images components"]:
        """In the dtype of `features`; the sums are float64."""
        rows = [
            ((chunk.double() - self.mean) * self.inverse_std @ self.rotation).to(features.dtype)
            for chunk in features.split(CHUNK)
        ]
        return torch.cat(rows)

    def standardise(self, features: Float[Tensor, "images dim"]) -> Float[Tensor, "images dim"]:
        """(x - mean) * inverse_std, not rotated: what a batch normalisation without weights gives."""
        return ((features.double() - self.mean) * self.inverse_std).to(features.dtype)


def principal_components(features: Float[Tensor, "images dim"]) -> Components:
    """Standardise by the mean and std of `features` (population), and rotate to uncorrelated directions.

    Constant dimensions count as zero. At least one component is kept, so that constant features still give
    a probe that predicts by its bias.
    """
    mean = features.mean(0, dtype=torch.float64)
    dim = features.shape[1]
    covariance = torch.zeros(dim, dim, dtype=torch.float64, device=features.device)
    for chunk in features.split(CHUNK):
        centred = chunk.double() - mean
        covariance += centred.T @ centred / len(features)
    std = covariance.diagonal().sqrt()
    inverse_std = torch.where(std > CONSTANT * mean.abs(), 1 / std, 0)
    inverse_std[~inverse_std.isfinite()] = 0
    variance, rotation = torch.linalg.eigh(inverse_std[:, None] * covariance * inverse_std)
    variance, rotation = variance.flip(0), rotation.flip(1)
    kept = max(int((variance > NO_VARIANCE * variance[0]).sum()), 1)
    return Components(mean, inverse_std, rotation[:, :kept], variance[:kept].clamp(min=NO_VARIANCE))
