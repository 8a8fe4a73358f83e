"""Independent groups: features of different groups are made independent, features of one group may depend.

This is independent subspace analysis (Hyvarinen & Hoyer 2000) as a term of the objective. It has three parts,
all on the pooled context features of a batch:

* variance: VICReg's hinge, which keeps every feature alive (Bardes et al. 2022);
* covariance: VICReg's covariance term, over pairs of features in *different* groups only;
* dependence of higher order: random nonlinear features u_g = gelu(z_g R_g + b_g) of each group, with z the
  standardised features, are decorrelated between groups. A mean over random features of the squared
  correlation is an estimate of HSIC, which is zero just where the groups are independent. VCReg on a random
  projector does this for single features (Mialon, Balestriero & LeCun 2022, arXiv 2209.14905); here the projector
  is block-diagonal, so whole groups become independent.

To second order the covariance part is the total correlation between groups,
TC(G) = 1/2 [sum_g ln |R_gg| - ln |R|] with R the correlation matrix.

batch: images; dim features in groups of size; probes: random nonlinear features of a group.
"""

from typing import NamedTuple

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor

from pipeline.sparsity.groups import split_groups

BIAS_SD = 0.5  # of b: moves the bend of the GELU off the mean, so that even and odd moments both count
FLOOR = 1e-4  # of variances


class Projections(NamedTuple):
    """The random maps of a step: R (unit-variance columns for unit-variance features) and b."""

    weights: Float[Tensor, "groups size probes"]
    biases: Float[Tensor, "groups 1 probes"]


def draw_projections(groups: int, size: int, probes: int, generator: torch.Generator) -> Projections:
    """R and b of one step; equal generators give equal maps."""
    device = generator.device
    weights = torch.randn(groups, size, probes, generator=generator, device=device) / size**0.5
    return Projections(weights, torch.randn(groups, 1, probes, generator=generator, device=device) * BIAS_SD)


def group_variance_covariance(
    features: Float[Tensor, "batch dim"], order: Int[Tensor, " dim"], groups: int
) -> Float[Tensor, ""]:
    """Variance and covariance terms of VICReg, the second over pairs of features in different groups.

    mean_j max(0, 1 - sqrt(Var_j + 1e-4)) + (1/25) (1/d) sum Cov_ij^2 over i, j in different groups. Groups of
    one feature give `pipeline.jepa.objective.vicreg` to the bit; one group gives the variance term alone.
    """
    centred = features[:, order] - features[:, order].mean(0)
    covariance = centred.T @ centred / (len(features) - 1)
    deviation = (covariance.diagonal() + FLOOR).sqrt()
    between = covariance * between_groups(groups, features.shape[1] // groups, features.device)
    return F.relu(1 - deviation).mean() + between.square().sum() / features.shape[1] / 25


def nonlinear_dependence(
    features: Float[Tensor, "batch dim"], order: Int[Tensor, " dim"], projections: Projections
) -> Float[Tensor, ""]:
    """Mean squared correlation between the random nonlinear features of different groups, as VICReg scales it.

    (size / probes) (1/25) (1 / (G probes)) sum over g != h of |corr(u_g, u_h)|^2. For independent groups its
    expectation is (size / probes) (G - 1) probes / (25 batch), whatever the distribution of the features.
    """
    groups, size, probes = projections.weights.shape
    centred = features - features.mean(0)
    scaled = centred / (centred.square().sum(0) / (len(features) - 1) + FLOOR).sqrt()
    grouped = split_groups(scaled, order, groups).transpose(0, 1)
    bent = F.gelu(grouped @ projections.weights + projections.biases)
    bent = bent - bent.mean(1, keepdim=True)
    bent = bent / (bent.square().mean(1, keepdim=True) + FLOOR).sqrt()
    columns = bent.transpose(0, 1).flatten(1)
    correlation = columns.T @ columns / len(features) * between_groups(groups, probes, features.device)
    return correlation.square().sum() / (groups * probes) / 25 * (size / probes)


def between_groups(groups: int, size: int, device: torch.device) -> Float[Tensor, "dim dim"]:
    """1 where row and column belong to different groups of `size` neighbours, else 0."""
    group = torch.arange(groups, device=device).repeat_interleave(size)
    return (group[:, None] != group).float()
