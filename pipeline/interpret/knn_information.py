"""Total correlation without a model: of a few numbers by nearest neighbours, of on/off patterns by counting.

Nats. Legend: images, numbers (a few), dim features, groups x size (see partitions).
"""

import numpy as np
from jaxtyping import Float, Int
from scipy.spatial import KDTree
from scipy.special import digamma

MAX_NUMBERS = 8  # with more, neighbours are too far away to tell (3.6 of 13.4 nats at 64)
MAX_BITS = 10  # of a counted pattern: 2^10 patterns need as many images


def knn_total(numbers: Float[np.ndarray, "images numbers"], neighbors: int) -> float:
    """The first estimator of Kraskov, Stogbauer and Grassberger (2004, equation 23), neighbours by SciPy:

        psi(k) + (m - 1) psi(n) - <sum_i psi(n_i + 1)>

    n_i: images nearer than the k-th neighbour's distance (maximum norm) in number i alone. Numbers are
    standardised; constant ones are left out. 0 where fewer than two are left. With two numbers it is
    scikit-learn's mutual_info_regression. Raises ValueError where there are no more images than neighbours.
    """
    spread = numbers.std(0)
    numbers = numbers[:, spread > 1e-9 * np.maximum(np.abs(numbers.mean(0)), 1e-30)]
    images, m = numbers.shape
    if m < 2:
        return 0.0
    if images <= neighbors:
        raise ValueError(f"{images} images are too few for {neighbors} neighbours")
    numbers = (numbers - numbers.mean(0)) / numbers.std(0)
    radius = KDTree(numbers).query(numbers, neighbors + 1, p=np.inf)[0][:, -1]
    radius *= 1 - 1e-10  # strictly nearer, whatever x + radius is rounded to
    total = 0.0
    for column in numbers.T:
        line = np.sort(column)
        nearer = np.searchsorted(line, column + radius, "right") - np.searchsorted(
            line, column - radius, "left"
        )
        total += digamma(np.maximum(nearer, 1)).mean()  # counts the image itself: n_i + 1
    return float(digamma(neighbors) + (m - 1) * digamma(images) - total)


def gate_total(features: Float[np.ndarray, "images dim"], partition: Int[np.ndarray, "groups size"]) -> float:
    """sum_g TC of the on/off pattern (z != 0) of group g: sum of the bits' entropies less the pattern's.

    A lower bound of TC(Z) (bits are functions of single features, and groups never add), which sees a gate
    that features share where a copula does not. By counting, with Miller and Madow's correction; groups of
    more than MAX_BITS features are counted in parts. 0 where no feature is ever exactly zero.
    """
    on = features != 0
    gated = (on.mean(0) > 0) & (on.mean(0) < 1)
    total = 0.0
    for group in partition:
        members = [feature for feature in group if feature >= 0 and gated[feature]]
        for start in range(0, len(members), MAX_BITS):
            bits = on[:, members[start : start + MAX_BITS]]
            patterns = bits @ (1 << np.arange(bits.shape[1]))
            apart = sum(entropy(np.bincount(bit.astype(int))) for bit in bits.T)
            total += max(apart - entropy(np.bincount(patterns)), 0.0)
    return total


def entropy(counts: Int[np.ndarray, " values"]) -> float:
    """-sum p ln p of counted values, plus (values seen - 1) / (2 counts) (Miller and Madow 1955)."""
    seen = counts[counts > 0]
    share = seen / seen.sum()
    return float(-(share * np.log(share)).sum() + (len(seen) - 1) / (2 * seen.sum()))
