"""Purity of the images that excite a group most. A secondary number: see `purity`."""

import numpy as np
from jaxtyping import Float, Int

from pipeline.interpret.code_statistics import CodeStatistics
from pipeline.measure.metrics import Metrics

TOP_IMAGES = 9


def top_image_purity(statistics: CodeStatistics) -> Metrics:
    """purity: of the 9 test images of highest energy of every group."""
    if not statistics.factors:
        return {}
    classes = [factor.test_classes for factor in statistics.factors]
    return {"purity": purity(statistics.energies, classes, TOP_IMAGES)}


def purity(
    energies: Float[np.ndarray, "others groups"], classes: list[Int[np.ndarray, " others"]], top: int
) -> float:
    """Share of the most frequent class among the `top` images of a group, mean over factors and groups.

    Secondary: a unit that mixes all factors has purer top images than one that follows a single factor, as a
    test shows, so it decides nothing here.
    """
    if not classes or not len(energies):
        return 0.0
    shares = []
    for column in energies.T:
        best = np.argsort(-column, kind="stable")[:top]
        for factor in classes:
            seen = factor[best][factor[best] >= 0]
            shares.append(np.bincount(seen).max() / len(seen) if len(seen) else 0.0)
    return float(np.mean(shares)) if shares else 0.0
