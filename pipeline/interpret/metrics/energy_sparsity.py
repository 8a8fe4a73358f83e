"""How few groups an image uses, on a scale that does not change with the features' units.

Legend: images, dim features, groups x size (see partitions).
"""

from typing import Any

import numpy as np
from jaxtyping import Float, Int

from pipeline.interpret.partitions import standardise
from pipeline.sparsity.groups import ACTIVE_SHARE

Metrics = dict[str, Any]
SMALL = 1e-30


def measure_sparsity(energies: Float[np.ndarray, "images groups"]) -> Metrics:
    """hoyer, gini: over the groups of an image, mean over images. active_groups: per image, with more than a
    tenth of the mean energy."""
    return {
        "hoyer": float(hoyer(energies).mean()),
        "gini": float(gini(energies).mean()),
        "active_groups": float((energies > ACTIVE_SHARE * energies.mean()).sum(1).mean()),
    }


def count_dead(train: Float[np.ndarray, "images dim"], partition: Int[np.ndarray, "groups size"]) -> Metrics:
    """dead_features: constant over the training split. dead_groups: with no other feature."""
    alive = np.ptp(standardise(train, train), axis=0) > 0
    living = sum(bool(alive[group[group >= 0]].any()) for group in partition)
    return {"dead_groups": len(partition) - living, "dead_features": int((~alive).sum())}


def hoyer(energies: Float[np.ndarray, "images groups"]) -> Float[np.ndarray, " images"]:
    """(sqrt(m) - |e|_1 / |e|_2) / (sqrt(m) - 1) of m groups: 0 where all are equal, 1 where one holds all
    (Hoyer 2004). 0 for an image without energy, and where there is one group."""
    m = energies.shape[1]
    norm = np.sqrt((energies**2).sum(1))
    if m < 2:
        return np.zeros(len(energies))
    found = (np.sqrt(m) - energies.sum(1) / np.maximum(norm, SMALL)) / (np.sqrt(m) - 1)
    return np.where(norm > SMALL, found, 0.0).clip(0, 1)


def gini(energies: Float[np.ndarray, "images groups"]) -> Float[np.ndarray, " images"]:
    """Gini coefficient over groups, times m / (m - 1): 0 where all are equal, 1 where one holds all. 0 for an
    image without energy, and where there is one group."""
    m = energies.shape[1]
    if m < 2:
        return np.zeros(len(energies))
    rank = 2 * np.arange(1, m + 1) - m - 1
    total = energies.sum(1)
    found = (np.sort(energies, axis=1) * rank).sum(1) / np.maximum(m * total, SMALL) * m / (m - 1)
    return np.where(total > SMALL, found, 0.0)


def purity(
    energies: Float[np.ndarray, "others groups"], classes: list[Int[np.ndarray, " others"]], top: int
) -> float:
    """Share of the most frequent class among the `top` images of a group, mean over factors and groups.

    Secondary: a unit that mixes all factors has purer top images than one that follows a single factor (see
    tests/evaluation/test_interpretability.py), so it never decides anything here.
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
