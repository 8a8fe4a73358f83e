"""Class consistency: are the images that excite a unit most of one class, and of one factor alone?

Source: Wang et al. 2024 (non-negative contrastive learning, arXiv 2403.12459, section 5), for a set with one
label. With several, a unit that mixes labels has purer top images than one that follows a single label. So
what they share of the next label is taken off.

Legend: others = images of the test split, units: groups or single features.
"""

import numpy as np
from jaxtyping import Float, Int

from pipeline.interpret.code_statistics import CodeStatistics
from pipeline.interpret.factors import Factor, label_classes
from pipeline.interpret.nulls import null_metrics, with_null
from pipeline.interpret.partitions import group_energies
from pipeline.measure.metrics import Metrics

TOP_SHARE, FEWEST = 0.01, 10  # of the test images, that excite a unit most

Indicators = Float[np.ndarray, "others _"]  # _: classes of the label


def class_consistency(statistics: CodeStatistics) -> Metrics:
    """consistency_groups: mean over groups, by their energies, with its null.

    consistency_features: mean over both ends of every feature, or the upper ones alone where none is
    negative. Its null is that of images at random.
    """
    images = len(statistics.scaled)
    if not statistics.factors or images < FEWEST:
        return {}
    labels = class_indicators(statistics.factors)
    top = max(round(TOP_SHARE * images), FEWEST)
    of_groups = [
        consistency(strongest(group_energies(statistics.scaled, partition), top), labels)
        for partition in statistics.partitions
    ]
    ends = statistics.scaled
    if (ends < 0).any():
        ends = np.concatenate([ends, -ends], axis=1)
    value = consistency(strongest(ends, top), labels)
    random = np.random.default_rng(statistics.params.seed)
    by_chance = [
        consistency(random.integers(images, size=(ends.shape[1], top)), labels)
        for _ in range(statistics.params.partitions)
    ]
    return (
        with_null("consistency_groups", np.array(of_groups), statistics.code.grouped)
        | {"consistency_features": value}
        | null_metrics("consistency_features", value, np.array(by_chance))
    )


def consistency(top: Int[np.ndarray, "units top"], labels: list[Indicators]) -> float:
    """The purity of the label whose class the top images share most, less that of the next label; mean over
    units.

    The purity of a label is max_c (share of the top images in c - frequency of c) / (1 - frequency of c): 1
    where all are of one class, 0 where no class is more frequent among them than among all images.
    """
    purities = []
    for of_class in labels:
        frequency = of_class.mean(0)
        purities.append(((of_class[top].mean(1) - frequency) / (1 - frequency)).max(1))
    ordered = np.sort(purities, axis=0)
    return float((ordered[-1] - (ordered[-2] if len(labels) > 1 else 0)).mean())


def strongest(strength: Float[np.ndarray, "others units"], top: int) -> Int[np.ndarray, "units top"]:
    """The images of highest strength of every unit."""
    return np.argsort(-strength, axis=0, kind="stable")[:top].T


def class_indicators(factors: list[Factor]) -> list[Indicators]:
    """Which test image is of which class, for every label that has more than one class."""
    labels = []
    for _, classes in label_classes(factors):
        of_class = classes[:, None] == np.unique(classes[classes >= 0])
        labels.append(of_class[:, ~of_class.all(0)].astype(np.float64))
    return [of_class for of_class in labels if of_class.size]
