"""Total correlation (multiinformation) of features by a Gaussian copula, and its split over groups. Nats.

    TC(Z) = sum_i H(Z_i) - H(Z) = KL(P_Z || prod_i P_Zi)

Each feature is replaced by its normal scores, of which only the correlation R is used:

    TC = -1/2 ln |R|,   TC(G) = 1/2 [sum_g ln |R_gg| - ln |R|],   within = -1/2 sum_g ln |R_gg|

each less its bias under independence (Wishart). TC = TC(G) + within holds exactly. The estimate is right
for Gaussian copulas and a lower bound otherwise: it does not see dependence without correlation.
|Z - median| is a function of each feature alone, so its total correlation is a lower bound too, which sees
common scales.

Sources: Watanabe 1960 (total correlation); Ince et al. 2017, Human Brain Mapping 38 (Gaussian copula and its
bias, after Goodman 1963); docs/theory.md for the split and for what it does not imply.

Legend: images, dim features, groups x size (see partitions), drawn partitions.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int
from scipy.special import digamma, ndtri

EIGENVALUE_FLOOR = 1e-9  # of a correlation matrix: a smaller one is rounding; it caps what a copy costs


class TooFewImagesError(ValueError):
    """A correlation matrix of so few images is singular whatever the features are."""


@dataclass(frozen=True)
class Split:
    """total = between + within, nats: of the features, of the groups as wholes, and inside the groups."""

    total: float
    between: float
    within: float


def normal_scores(
    features: Float[np.ndarray, "images dim"], random: np.random.Generator
) -> Float[np.ndarray, "images dim"]:
    """Phi^-1(rank / (images + 1)) of each feature. Equal values are ranked at random, each feature by itself.

    Ranked in any common order instead, the zeros of sparse features would look dependent (19 nats for
    independent ones). A random rank is a noisy channel on one component: it never adds dependence.
    """
    images, dim = features.shape
    scores = np.empty((images, dim))
    ladder = ndtri(np.arange(1, images + 1) / (images + 1))
    for column in range(dim):
        shuffled = random.permutation(images)
        order = shuffled[np.argsort(features[shuffled, column], kind="stable")]
        scores[order, column] = ladder
    return scores


def scores_correlation(scores: Float[np.ndarray, "images dim"]) -> Float[np.ndarray, "dim dim"]:
    """Correlation of normal scores."""
    centred = scores - scores.mean(0)
    centred = centred / np.maximum(np.sqrt((centred**2).sum(0)), 1e-300)
    return centred.T @ centred


def varying(features: Float[np.ndarray, "images dim"]) -> Int[np.ndarray, " kept"]:
    """The features that are not constant. A constant is independent of everything and adds nothing."""
    return np.flatnonzero(np.ptp(features, axis=0) > 1e-6 * np.abs(features).max(axis=0, initial=0.0))


def bias(dim: int, images: int) -> float:
    """E[-1/2 ln |R|] of `dim` independent Gaussians: 1/2 sum_i psi((n - 1) / 2) - psi((n - i) / 2).

    Raises TooFewImagesError where images <= dim + 1.
    """
    if dim == 0:
        return 0.0
    if images <= dim + 1:
        raise TooFewImagesError(f"{images} images are too few for {dim} features")
    i = np.arange(1, dim + 1)
    return float(0.5 * (digamma((images - 1) / 2) - digamma((images - i) / 2)).sum())


def gaussian_total(R: Float[np.ndarray, "dim dim"], images: int) -> float:
    """-1/2 ln |R| less its bias; capped where R is singular (EIGENVALUE_FLOOR)."""
    return float(-0.5 * log_determinants(R[None])[0]) - bias(len(R), images)


def gaussian_split(
    R: Float[np.ndarray, "dim dim"], partition: Int[np.ndarray, "groups size"], images: int
) -> Split:
    """The chain rule on one correlation matrix. Features in no group are left out of all three."""
    members = np.sort(partition[partition >= 0])
    total = gaussian_total(R[np.ix_(members, members)], images)
    within = float(within_groups(R, partition[None], images)[0])
    return Split(total=total, between=total - within, within=within)


def within_groups(
    R: Float[np.ndarray, "dim dim"], partitions: Int[np.ndarray, "drawn groups size"], images: int
) -> Float[np.ndarray, " drawn"]:
    """sum_g TC inside group g, of every partition at once; with TC(Z) it gives TC(G) of each."""
    drawn, groups, size = partitions.shape
    member = partitions >= 0
    blocks = R[partitions[..., :, None], partitions[..., None, :]]
    both = member[..., :, None] & member[..., None, :]
    blocks = np.where(both, blocks, np.eye(size))
    totals = -0.5 * log_determinants(blocks.reshape(drawn * groups, size, size)).reshape(drawn, groups)
    biases = np.array([bias(k, images) for k in range(size + 1)])
    return (totals - biases[member.sum(2)]).sum(1)


def log_determinants(matrices: Float[np.ndarray, "batch dim dim"]) -> Float[np.ndarray, " batch"]:
    """ln |R| with eigenvalues of at least EIGENVALUE_FLOOR."""
    if matrices.shape[-1] == 0:
        return np.zeros(len(matrices))
    values = np.linalg.eigvalsh(matrices)
    return np.log(np.maximum(values, EIGENVALUE_FLOOR)).sum(-1)


def most_determined(R: Float[np.ndarray, "dim dim"]) -> int:
    """The feature that the others predict best, argmax_i (R^-1)_ii: the one to drop where a final layer-norm
    has made the covariance singular."""
    values, vectors = np.linalg.eigh(R)
    return int((vectors**2 / np.maximum(values, EIGENVALUE_FLOOR)).sum(1).argmax())


def folded(features: Float[np.ndarray, "images dim"]) -> Float[np.ndarray, "images dim"]:
    """|z - median| of each feature."""
    return np.abs(features - np.median(features, axis=0))
