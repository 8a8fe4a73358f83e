"""Compares a number of a grouping with the same number of random groupings, its null distribution.

Legend: drawn random partitions of the same features in the same sizes.
"""

import numpy as np
from jaxtyping import Float

from pipeline.measure.metrics import Metrics

NO_SPREAD = 1e-9  # standard deviation of a null below which it does not vary


def null_metrics(name: str, value: float, nulls: Float[np.ndarray, " drawn"]) -> Metrics:
    """Mean, 2.5 % and 97.5 % of the null, and z = (value - mean) / std, 0 where the null does not vary."""
    spread, mean = float(nulls.std()), float(nulls.mean())
    low, high = (float(edge) for edge in np.percentile(nulls, [2.5, 97.5]))
    z = float((value - mean) / spread) if spread > NO_SPREAD else 0.0
    return {
        f"{name}_null_mean": mean,
        f"{name}_null_low": low,
        f"{name}_null_high": high,
        f"{name}_null_z": z,
    }


def with_null(name: str, values: Float[np.ndarray, " candidates"], grouped: bool) -> Metrics:
    """The first value, which is that of the code's own partition, with its null from the other values, those
    of random partitions.

    grouped: whether another partition would be another code; if not, there is no null.
    """
    metrics = {name: float(values[0])}
    return metrics | (null_metrics(name, metrics[name], values[1:]) if grouped else {})
