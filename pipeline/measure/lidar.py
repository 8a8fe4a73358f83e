"""LiDAR: how many directions tell images apart, beyond what differs between views of one image.

Legend: images x views x dim features, not normalised.
"""

import math

import torch
from jaxtyping import Float
from torch import Tensor

from pipeline.measure.collapse import ROUNDING

RIDGE = 1e-4  # delta, relative to the mean variance of a feature


def lidar(features: Float[Tensor, "images views dim"]) -> float:
    """The effective rank of linear discriminant analysis: each image is a class, its views the members.

    exp(-sum_k p_k ln p_k), p_k = l_k / sum_j l_j, l the eigenvalues of S_w^(-1/2) S_b S_w^(-1/2). S_b is the
    covariance of the images' means, S_w = delta I + the mean covariance of the views around their image's
    mean. Between 1 and min(images - 1, dim).

    Directions in which views differ as much as images count little, while RankMe counts them in full. But the
    means of v views of pure noise differ too, by S_w / v: noise alone has full rank here as well. Features
    that differ by rounding alone have rank 1, the smallest value.

    The paper's delta is 1e-4 whatever the scale of features, and it adds 1e-7 or so to each p. Here delta is
    1e-4 of the mean variance of a feature, so that the value does not depend on the scale.

    Source: Thilak et al. 2023, LiDAR (arXiv 2312.04000), equations 1 to 4.
    """
    num_images, num_views, dim = features.shape
    values = features.double()
    means = values.mean(1)
    between = means - means.mean(0)
    within = values - means[:, None]
    if float(between.abs().max()) <= ROUNDING * float(values.abs().max()):
        return 1.0
    between_covariance = between.T @ between / num_images
    within_covariance = torch.einsum("ivd,ive->de", within, within) / max(num_images * (num_views - 1), 1)
    variance = (between_covariance + within_covariance).diagonal().mean()
    ridge = RIDGE * variance * torch.eye(dim, dtype=torch.float64, device=values.device)
    lower = torch.linalg.cholesky(within_covariance + ridge)
    # L^-1 S_b L^-T with S_w = L L^T has the eigenvalues of S_w^(-1/2) S_b S_w^(-1/2).
    whitened = torch.linalg.solve_triangular(lower, between.T, upper=False)
    shares = torch.linalg.svdvals(whitened).square()
    return math.exp(torch.special.entr(shares / shares.sum()).sum().item())
