"""Normal features with a known correlation matrix, the total correlation that follows from it, and ours."""

import numpy as np

from pipeline.interpret.gaussian_copula import gaussian_total, normal_scores, scores_correlation


def blocks(dim: int, size: int = 8, rho: float = 0.5) -> np.ndarray:
    block = np.full((size, size), rho) + (1 - rho) * np.eye(size)
    return np.kron(np.eye(dim // size), block)


def draw(R: np.ndarray, images: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((images, len(R))) @ np.linalg.cholesky(R).T


def truth(R: np.ndarray) -> float:
    return -0.5 * np.linalg.slogdet(R)[1]


def copula(features: np.ndarray, seed: int = 0) -> float:
    scores = normal_scores(features, np.random.default_rng(seed))
    return gaussian_total(scores_correlation(scores), len(features))
