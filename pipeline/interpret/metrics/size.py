"""How many features and groups a code has, and how many of them are dead."""

import numpy as np

from pipeline.interpret.code_statistics import CodeStatistics
from pipeline.interpret.partitions import standardise
from pipeline.measure.metrics import Metrics


def code_size(statistics: CodeStatistics) -> Metrics:
    """features, groups: their numbers."""
    code = statistics.code
    return {"features": code.train.shape[1], "groups": len(code.partition)}


def dead_features(statistics: CodeStatistics) -> Metrics:
    """dead_features: constant over the training split. dead_groups: with no other feature. zero_features:
    share of the test images' numbers that are exactly 0."""
    code = statistics.code
    alive = np.ptp(standardise(code.train, code.train), axis=0) > 0
    living = sum(bool(alive[group[group >= 0]].any()) for group in code.partition)
    return {
        "dead_groups": len(code.partition) - living,
        "dead_features": int((~alive).sum()),
        "zero_features": float((code.test == 0).mean()),
    }
