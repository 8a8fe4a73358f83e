"""Exact information measures of small discrete distributions, and random ones to try them on.

A batch of distributions of m variables is an array (batch, k_1, ..., k_m) that sums to 1. Nats.
"""

from itertools import product

import numpy as np


def random_joints(batch: int, shape: tuple[int, ...], random: np.random.Generator) -> np.ndarray:
    """Dirichlet draws from nearly uniform to nearly deterministic; a third have impossible outcomes."""
    alpha = 10 ** random.uniform(-1, 1, batch)
    weights = random.standard_gamma(np.broadcast_to(alpha[:, None], (batch, int(np.prod(shape)))))
    holes = (random.random(weights.shape) < 0.4) & (np.arange(batch)[:, None] % 3 == 0)
    holes[np.arange(batch), random.integers(weights.shape[1], size=batch)] = False
    weights = np.where(holes, 0.0, weights + 1e-12)
    return (weights / weights.sum(1, keepdims=True)).reshape(batch, *shape)


def entropy(joint: np.ndarray) -> np.ndarray:
    """Of all variables together, one number per distribution."""
    p = joint.reshape(len(joint), -1)
    return -(p * np.log(np.where(p > 0, p, 1.0))).sum(1)


def marginal(joint: np.ndarray, variables: tuple[int, ...]) -> np.ndarray:
    others = tuple(axis + 1 for axis in range(joint.ndim - 1) if axis not in variables)
    return joint.sum(others)


def total_correlation(joint: np.ndarray) -> np.ndarray:
    """sum_i H(Z_i) - H(Z)."""
    return sum(entropy(marginal(joint, (i,))) for i in range(joint.ndim - 1)) - entropy(joint)


def grouped(joint: np.ndarray, partition: list[tuple[int, ...]]) -> np.ndarray:
    """The distribution of the groups as wholes: each group's variables become one."""
    order = [0] + [variable + 1 for group in partition for variable in group]
    sizes = [int(np.prod([joint.shape[variable + 1] for variable in group])) for group in partition]
    return joint.transpose(order).reshape(len(joint), *sizes)


def through_channels(joint: np.ndarray, channels: list[np.ndarray]) -> np.ndarray:
    """Each variable through its own channel (values in, values out), rows summing to 1."""
    for axis, channel in enumerate(channels):
        joint = np.moveaxis(np.tensordot(joint, channel, axes=(axis + 1, 0)), -1, axis + 1)
    return joint


def random_channel(inputs: int, outputs: int, noisy: bool, random: np.random.Generator) -> np.ndarray:
    if noisy:
        return random.dirichlet(np.full(outputs, 0.5), size=inputs)
    return np.eye(outputs)[random.integers(outputs, size=inputs)]


def partitions(variables: int) -> list[list[tuple[int, ...]]]:
    """Every partition of 0..variables-1."""
    unique = set()
    for labels in product(range(variables), repeat=variables):
        groups = [tuple(i for i in range(variables) if labels[i] == label) for label in range(variables)]
        unique.add(tuple(sorted(group for group in groups if group)))
    return [list(partition) for partition in sorted(unique)]
