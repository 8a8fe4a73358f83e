"""Two settings compared over the same seeds.

For each seed i, d_i is the score of the second setting less the score of the first. The mean of d has a
Student interval. The p-value is that of a sign-flip permutation test, which is exact: if the settings were
alike, d_i and -d_i would be equally likely, so p is the share of the 2^n sign patterns whose mean is at least
as far from zero. The test assumes no normal distribution. Its p cannot be smaller than 2 / 2^n: .25 with
three seeds; six are needed for p < .05.

Source: Fisher 1935, The Design of Experiments, section 21; Good 2005, Permutation Tests.
Legend: seeds that both settings have.
"""

from dataclasses import dataclass
from itertools import product

import numpy as np
from jaxtyping import Float
from scipy import stats

EXACT = 20  # seeds up to which all 2^n sign patterns are counted
DRAWS = 2**20
TOLERANCE = 1e-12  # relative: equal means of different sign patterns differ by rounding


@dataclass(frozen=True)
class Spread:
    """One setting over its seeds. sd: sample standard deviation, None for one seed."""

    n: int
    mean: float
    sd: float | None


@dataclass(frozen=True)
class Comparison:
    """Second less first setting over n common seeds. low, high: 95 % Student interval of the mean difference,
    None for one seed. p: two-sided, exact. smallest_p: what n seeds can reach at best."""

    n: int
    difference: float
    low: float | None
    high: float | None
    p: float
    smallest_p: float


def spread(scores: Float[np.ndarray, " seeds"]) -> Spread:
    """Mean and deviation of one setting. Raises ValueError where there is no score or one is not finite."""
    _check(scores)
    sd = float(np.std(scores, ddof=1)) if len(scores) > 1 else None
    return Spread(len(scores), float(np.mean(scores)), sd)


def compare(first: Float[np.ndarray, " seeds"], second: Float[np.ndarray, " others"]) -> Comparison:
    """Scores of two settings, row i of both from the same seed.

    Raises ValueError where the lengths differ, there is no score, or one is not finite.
    """
    if len(first) != len(second):
        raise ValueError(f"{len(first)} and {len(second)} scores cannot be paired")
    _check(first)
    _check(second)
    differences = np.asarray(second, np.float64) - np.asarray(first, np.float64)
    n, mean = len(differences), float(differences.mean())
    low = high = None
    if n > 1:
        half = float(stats.t.ppf(0.975, n - 1) * differences.std(ddof=1) / np.sqrt(n))
        low, high = mean - half, mean + half
    return Comparison(n, mean, low, high, sign_flip_p(differences), min(1.0, 2.0 ** (1 - n)))


def sign_flip_p(differences: Float[np.ndarray, " seeds"]) -> float:
    """Two-sided p-value of the mean: the share of sign patterns with a mean as far from zero, or farther.

    Up to 20 seeds every pattern is counted; beyond, 2^20 drawn ones (seeded), the observed one among them.
    """
    n = len(differences)
    observed = abs(differences.sum())
    enough = observed - TOLERANCE * np.abs(differences).sum()
    if n > EXACT:
        draw = np.random.default_rng(0)
        reached = sum(
            int((np.abs(draw.choice([-1.0, 1.0], (DRAWS // 64, n)) @ differences) >= enough).sum())
            for _ in range(64)
        )
        return (1 + reached) / (1 + DRAWS)
    first_half, second_half = (_signed_sums(part) for part in (differences[: n // 2], differences[n // 2 :]))
    return float(np.mean(np.abs(first_half[:, None] + second_half) >= enough))


def _signed_sums(values: Float[np.ndarray, " some"]) -> Float[np.ndarray, " patterns"]:
    return np.array([np.dot(signs, values) for signs in product((-1.0, 1.0), repeat=len(values))])


def _check(scores: np.ndarray) -> None:
    if len(scores) == 0 or not np.isfinite(scores).all():
        raise ValueError("needs at least one score, all finite")
