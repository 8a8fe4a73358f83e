"""How few groups an image uses, on a scale that does not change with the features' units.

Legend: images, groups.
"""

import numpy as np
from jaxtyping import Float

from pipeline.interpret.code_statistics import CodeStatistics
from pipeline.interpret.nulls import with_null
from pipeline.interpret.partitions import group_energies
from pipeline.measure.metrics import Metrics
from pipeline.sparsity.groups import ACTIVE_SHARE

SMALL = 1e-30


def energy_sparsity(statistics: CodeStatistics) -> Metrics:
    """hoyer, gini: over the groups of an image, mean over test images, hoyer with its null. active_groups:
    per image, with more than a tenth of the mean energy."""
    energies = statistics.energies
    metrics = {
        "hoyer": float(hoyer(energies).mean()),
        "gini": float(gini(energies).mean()),
        "active_groups": float((energies > ACTIVE_SHARE * energies.mean()).sum(1).mean()),
    }
    candidates = [
        float(hoyer(group_energies(statistics.scaled, partition)).mean())
        for partition in statistics.partitions
    ]
    return metrics | with_null("hoyer", np.array(candidates), statistics.code.grouped)


def hoyer(energies: Float[np.ndarray, "images groups"]) -> Float[np.ndarray, " images"]:
    """(sqrt(m) - |e|_1 / |e|_2) / (sqrt(m) - 1) of m groups: 0 where all are equal, 1 where one holds all
    (Hoyer 2004). 0 for an image without energy, and where there is one group."""
    m = energies.shape[1]
    norm = np.sqrt((energies**2).sum(1))
    if m < 2:
        return np.zeros(len(energies))
    sparsity = (np.sqrt(m) - energies.sum(1) / np.maximum(norm, SMALL)) / (np.sqrt(m) - 1)
    return np.where(norm > SMALL, sparsity, 0.0).clip(0, 1)


def gini(energies: Float[np.ndarray, "images groups"]) -> Float[np.ndarray, " images"]:
    """Gini coefficient over groups, times m / (m - 1): 0 where all are equal, 1 where one holds all. 0 for an
    image without energy, and where there is one group."""
    m = energies.shape[1]
    if m < 2:
        return np.zeros(len(energies))
    rank = 2 * np.arange(1, m + 1) - m - 1
    total = energies.sum(1)
    coefficient = (np.sort(energies, axis=1) * rank).sum(1) / np.maximum(m * total, SMALL) * m / (m - 1)
    return np.where(total > SMALL, coefficient, 0.0)
