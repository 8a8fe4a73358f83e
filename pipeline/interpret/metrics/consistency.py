"""Class consistency: are the images that excite a unit most of one class, and of one factor alone?

Source: Wang et al. 2024 (non-negative contrastive learning, arXiv 2403.12459, section 5), for a set with one
label. With several, a unit that mixes labels has purer top images than one that follows a single label. So
what they share of the next label is taken off.

Legend: others = images of the test split, units: groups or single features.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from pipeline.interpret.code_statistics import CodeStatistics
from pipeline.interpret.factors import Factor, label_classes
from pipeline.interpret.nulls import null_metrics, with_null
from pipeline.interpret.partitions import group_energies
from pipeline.measure.metrics import Metrics

TOP_SHARE, FEWEST = 0.01, 10  # of the test images, that excite a unit most


@dataclass(frozen=True)
class LabelledImages:
    """The test images of one label. classes: of every image, -1 where it has none that counts. frequency: of
    each class among all images, below 1."""

    classes: Int[np.ndarray, " others"]
    frequency: Float[np.ndarray, " classes"]

    def shares(self, top: Int[np.ndarray, "units top"]) -> Float[np.ndarray, "units classes"]:
        """Share of each class among some images of every unit."""
        units, images = top.shape
        keys = (len(self.frequency) * np.arange(units))[:, None] + self.classes[top]
        counts = np.bincount(keys[self.classes[top] >= 0], minlength=units * len(self.frequency))
        return counts.reshape(units, -1) / images


def class_consistency(statistics: CodeStatistics) -> Metrics:
    """consistency_groups: mean over groups, by their energies, with its null.

    consistency_features: mean over both ends of every feature, or the upper ones alone where none is
    negative. Its null is that of images at random.
    """
    images = len(statistics.scaled)
    if not statistics.factors or images < FEWEST:
        return {}
    labels = labelled_images(statistics.factors)
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


def consistency(top: Int[np.ndarray, "units top"], labels: list[LabelledImages]) -> float:
    """The purity of the label whose class the top images share most, less that of the next label; mean over
    units.

    The purity of a label is max_c (share of the top images in c - frequency of c) / (1 - frequency of c): 1
    where all are of one class, 0 where no class is more frequent among them than among all images.
    """
    purities = []
    for label in labels:
        purities.append(((label.shares(top) - label.frequency) / (1 - label.frequency)).max(1))
    ordered = np.sort(purities, axis=0)
    return float((ordered[-1] - (ordered[-2] if len(labels) > 1 else 0)).mean())


def strongest(strength: Float[np.ndarray, "others units"], top: int) -> Int[np.ndarray, "units top"]:
    """The images of highest strength of every unit, the first of equals: `top` of them, or all. Only those at
    least as strong as the last of them are sorted."""
    top = min(top, len(strength))
    falling = np.negative(strength.T, order="C")
    limits = np.partition(falling, top - 1, axis=1)[:, top - 1]
    found = []
    for unit, limit in zip(falling, limits, strict=True):
        images = np.flatnonzero(unit <= limit)
        found.append(images[np.argsort(unit[images], kind="stable")][:top])
    return np.stack(found)


def labelled_images(factors: list[Factor]) -> list[LabelledImages]:
    """Which test image is of which class, for every label that has more than one class."""
    labels = []
    for _, classes in label_classes(factors):
        counts = np.bincount(classes[classes >= 0])
        counted = (counts > 0) & (counts < len(classes))
        number = np.append(np.where(counted, np.cumsum(counted) - 1, -1), -1)
        if counted.any():
            labels.append(LabelledImages(number[classes], counts[counted] / len(classes)))
    return labels
