"""How much of their space a set of features uses: is the encoder collapsed?

Legend: images x dim features, not normalised. Every value is defined for constant features; none is NaN.
"""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

RANK_LIMIT = 2.0
SPREAD_LIMIT = 1e-3
ROUNDING = 1e-6  # relative to the largest feature: differences below it are float32 rounding, not signal


@dataclass(frozen=True)
class Spread:
    """rankme: see `rankme`. feature_std: standard deviation of a dimension over images, mean over dimensions.

    mean_cosine: cosine between two different images, mean over all pairs. relative_std: root mean square
    distance of an image from the mean feature, over the root mean square length of a feature, in [0, 1].
    """

    rankme: float
    feature_std: float
    mean_cosine: float
    relative_std: float


def rankme(features: Float[Tensor, "images dim"]) -> float:
    """The effective rank exp(-sum_k p_k ln p_k), p_k = s_k / sum_j s_j, s the singular values of the centred
    features; between 1 and min(images - 1, dim).

    Features that differ by rounding alone have rank 1, the smallest value. The features are centred, as a
    shared offset is no information (the paper does not centre, and adds 1e-7 to each p).

    Source: Garrido et al. 2023, RankMe, equation 1; Roy and Vetterli 2007.
    """
    centred = features.double() - features.double().mean(0)
    if _is_constant(features, centred):
        return 1.0
    values = torch.linalg.svdvals(centred)
    share = values / values.sum()
    return math.exp(torch.special.entr(share).sum().item())


def spread(features: Float[Tensor, "images dim"]) -> Spread:
    """All numbers of `Spread`. One image, or features of zeros, count as constant: rank 1, cosine 1, std 0.

    mean_cosine comes from |sum_i u_i|^2 = n + sum_(i != j) u_i . u_j for unit features u; an image whose
    feature is zero has cosine 0 with all others.
    """
    values = features.double()
    centred = values - values.mean(0)
    num_images = len(values)
    if _is_constant(features, centred):
        return Spread(rankme=1.0, feature_std=0.0, mean_cosine=1.0, relative_std=0.0)
    units = F.normalize(values, dim=1, eps=1e-30)
    pairs = units.sum(0).square().sum() - units.square().sum()
    return Spread(
        rankme=rankme(features),
        feature_std=centred.square().mean(0).sqrt().mean().item(),
        mean_cosine=pairs.item() / (num_images * (num_images - 1)),
        relative_std=(centred.square().sum() / values.square().sum()).sqrt().item(),
    )


def is_collapsed(measured: Spread) -> bool:
    """Whether fewer than two directions, or almost no variance, distinguish the images.

    True where rankme < 2 (dimensional collapse to a line or a point), or where relative_std < 1e-3 (all
    features are one vector to three digits; their cosine is then > 1 - 1e-6). A high mean cosine alone is no
    sign of it: an untrained Vision Transformer reaches .99 by a shared offset and still probes well.
    """
    return measured.rankme < RANK_LIMIT or measured.relative_std < SPREAD_LIMIT


def _is_constant(features: Tensor, centred: Tensor) -> bool:
    return bool(centred.abs().max() <= ROUNDING * features.abs().max())
