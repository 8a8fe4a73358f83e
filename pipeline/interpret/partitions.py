"""Partitions of features into groups: the run's own, and those it has to be compared with.

A partition is an array (groups, size) of feature numbers; a group smaller than the largest is filled up with
-1. Every feature is in one group at most.

Legend: images, dim features, groups of up to size features, drawn random partitions.
"""

import numpy as np
from jaxtyping import Float, Int
from scipy.cluster.vq import kmeans2

Partition = Int[np.ndarray, "groups size"]


def singletons(dim: int) -> Partition:
    """Every feature a group of its own."""
    return np.arange(dim, dtype=np.int64)[:, None]


def contiguous(dim: int, groups: int) -> Int[np.ndarray, "groups size"]:
    """Neighbours together, in groups whose sizes differ by one at most; no more groups than features."""
    parts = np.array_split(np.arange(dim, dtype=np.int64), min(groups, dim))
    size = max(len(part) for part in parts)
    return np.stack([np.pad(part, (0, size - len(part)), constant_values=-1) for part in parts])


def from_labels(labels: Int[np.ndarray, " dim"]) -> Partition:
    """Groups of the features with equal label, in the order of the labels."""
    members = [np.flatnonzero(labels == label) for label in np.unique(labels)]
    size = max(len(group) for group in members)
    return np.stack([np.pad(group, (0, size - len(group)), constant_values=-1) for group in members])


def random_partitions(
    partition: Partition, drawn: int, random: np.random.Generator
) -> Int[np.ndarray, "drawn groups size"]:
    """The same sizes with the features dealt out at random: the null of every claim about groups."""
    members = partition[partition >= 0]
    dealt = np.full((drawn, *partition.shape), -1, dtype=np.int64)
    for number in range(drawn):
        dealt[number][partition >= 0] = random.permutation(members)
    return dealt


def kmeans_groups(features: Float[np.ndarray, "images dim"], groups: int, seed: int) -> Partition:
    """Features clustered by k-means on their rows of the squared correlation matrix; sizes may differ.

    Features that rise and fall together, with either sign, correlate with the same others. Empty clusters
    leave fewer groups.
    """
    affinity = correlation(features) ** 2
    starts = [kmeans2(affinity, groups, minit="++", rng=np.random.default_rng([seed, k])) for k in range(5)]
    costs = [((affinity - centres[labels]) ** 2).sum() for centres, labels in starts]
    return from_labels(starts[int(np.argmin(costs))][1])


def correlation(features: Float[np.ndarray, "images dim"]) -> Float[np.ndarray, "dim dim"]:
    """Pearson correlations; a constant feature correlates with nothing but itself."""
    centred = standardise(features, features)
    correlations = centred.T @ centred / len(centred)
    np.fill_diagonal(correlations, 1.0)
    return correlations


def standardise(
    features: Float[np.ndarray, "images dim"], like: Float[np.ndarray, "others dim"]
) -> Float[np.ndarray, "images dim"]:
    """(x - mean) / std with the statistics of `like`; features that are constant there become 0. float64."""
    mean, std = like.mean(0, dtype=np.float64), like.std(0, dtype=np.float64)
    varies = std > 1e-6 * np.maximum(np.abs(mean), 1e-30)
    return np.where(varies, (features - mean) / np.where(varies, std, 1.0), 0.0)


def group_energies(
    features: Float[np.ndarray, "images dim"], partition: Partition
) -> Float[np.ndarray, "images groups"]:
    """Mean square of each group's features."""
    member = partition >= 0
    weights = np.zeros((features.shape[1], len(partition)))
    rows = np.broadcast_to(np.arange(len(partition))[:, None], partition.shape)[member]
    weights[partition[member], rows] = (1 / np.maximum(member.sum(1), 1))[rows]
    return np.square(features, dtype=np.float64) @ weights
