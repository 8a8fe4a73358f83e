"""The regulariser `independent_groups`: features of different groups become independent of each other.

Inside a group features may depend on one another. This is independent subspace analysis (Hyvarinen & Hoyer
2000) as a term of the objective, on the pooled context features of a batch. It has three parts:

* variance: VICReg's hinge, which keeps every feature alive (Bardes et al. 2022);
* covariance: VICReg's covariance term, over pairs of features in *different* groups only;
* dependence of higher order: random nonlinear features of every group, u_g = gelu(z_g R_g + b_g) with z the
  standardised features, are decorrelated between groups. Their mean squared correlation estimates HSIC,
  which is zero just where groups are independent. VCReg on a random projector does the same for single
  features (Mialon, Balestriero & LeCun 2022, arXiv 2209.14905). Here the projector is block-diagonal, so
  that whole groups become independent.

To second order the covariance part is the total correlation between groups,
TC(G) = 1/2 [sum_g ln |R_gg| - ln |R|] with R the correlation matrix.

batch: images; dim features in groups of `size` neighbours; probes: random nonlinear features of a group.
"""

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

BIAS_SD = 0.5  # of b: moves the bend of the GELU off the mean, so that odd and even moments count
FLOOR = 1e-4  # of variances


def draw_projections(
    groups: int, size: int, probes: int, generator: torch.Generator
) -> Float[Tensor, "groups rows probes"]:
    """R (`size` rows) and, in the last row, b of one step. A column of R keeps unit variance."""
    device = generator.device
    weights = torch.randn(groups, size, probes, generator=generator, device=device) / size**0.5
    biases = torch.randn(groups, 1, probes, generator=generator, device=device) * BIAS_SD
    return torch.cat([weights, biases], dim=1)


def independent_groups(
    features: Float[Tensor, "batch dim"],
    projections: Float[Tensor, "groups rows probes"],
    dependence: float,
) -> Float[Tensor, ""]:
    """Variance and covariance between groups, and `dependence` times the part of higher order."""
    linear = group_variance_covariance(features, len(projections))
    return linear + dependence * nonlinear_dependence(features, projections)


def group_variance_covariance(features: Float[Tensor, "batch dim"], groups: int) -> Float[Tensor, ""]:
    """Variance and covariance terms of VICReg, the second over pairs of features in different groups.

    mean_j max(0, 1 - sqrt(Var_j + 1e-4)) + (1/25) (1/d) sum Cov_ij^2 over i, j in different groups. Groups of
    one feature give pipeline.jepa.objective.vicreg to the bit; one group gives the variance term alone.
    """
    centred = features - features.mean(0)
    covariance = centred.T @ centred / (len(features) - 1)
    deviation = (covariance.diagonal() + FLOOR).sqrt()
    between = covariance * between_groups(groups, features.shape[1] // groups, features.device)
    return F.relu(1 - deviation).mean() + between.square().sum() / features.shape[1] / 25


def nonlinear_dependence(
    features: Float[Tensor, "batch dim"], projections: Float[Tensor, "groups rows probes"]
) -> Float[Tensor, ""]:
    """Squared correlation between the random nonlinear features of different groups, on VICReg's scale.

    (size / probes) (1/25) (1 / (groups probes)) sum over g != h of |corr(u_g, u_h)|^2. For independent groups
    of any distribution its expectation is (size / probes) (groups - 1) probes / (25 batch).
    """
    groups, probes = len(projections), projections.shape[-1]
    size = features.shape[1] // groups
    centred = features - features.mean(0)
    standard = centred / (centred.square().sum(0) / (len(features) - 1) + FLOOR).sqrt()
    grouped = standard.unflatten(1, (groups, size)).transpose(0, 1)
    bent = F.gelu(grouped @ projections[:, :-1] + projections[:, -1:])
    bent = bent - bent.mean(1, keepdim=True)
    bent = bent / (bent.square().mean(1, keepdim=True) + FLOOR).sqrt()
    columns = bent.transpose(0, 1).flatten(1)
    correlation = columns.T @ columns / len(features) * between_groups(groups, probes, features.device)
    return correlation.square().sum() / (groups * probes) / 25 * (size / probes)


def between_groups(groups: int, size: int, device: torch.device) -> Float[Tensor, "dim dim"]:
    """1 where row and column belong to different groups of `size` neighbours, else 0."""
    group = torch.arange(groups, device=device).repeat_interleave(size)
    return (group[:, None] != group).float()
