"""How well probes of the features, and of a few groups or features, tell factors: R^2 on the test split.

The probes are ridge regressions (pipeline.interpret.group_probes), all means are over factors.
"""

import numpy as np

from pipeline.interpret.code_statistics import NUM_PROBED, CodeStatistics
from pipeline.interpret.group_probes import sparse_probing
from pipeline.interpret.nulls import with_null
from pipeline.interpret.partitions import singletons
from pipeline.measure.metrics import Metrics


def explicitness(statistics: CodeStatistics) -> Metrics:
    """explicitness: R^2 from all features (Ridgeway and Mozer 2018)."""
    return {"explicitness": float(statistics.full_skill.mean())} if statistics.factors else {}


def ablation_drop(statistics: CodeStatistics) -> Metrics:
    """ablation_drop: the largest drop of a factor's R^2 when a group is set to its mean, with its null."""
    if not statistics.factors:
        return {}
    largest = statistics.drops.max(-1).mean(-1)
    return with_null("ablation_drop", largest, statistics.code.grouped)


def sparse_probes(statistics: CodeStatistics) -> Metrics:
    """feature_probe_<k>, group_probe_<k>: R^2 from the k features or groups that tell a factor best on the
    training split; groups with their null."""
    if not statistics.factors:
        return {}
    moments, l2 = statistics.moments, statistics.params.l2
    single = singletons(statistics.code.train.shape[1])
    metrics: Metrics = {}
    for k in NUM_PROBED:
        of_features = sparse_probing(moments, single, statistics.best_features[:, :k], l2)
        metrics[f"feature_probe_{k}"] = float(of_features.mean())
        of_groups = [
            sparse_probing(moments, partition, best[:, :k], l2).mean()
            for partition, best in zip(statistics.partitions, statistics.best_groups, strict=True)
        ]
        metrics |= with_null(f"group_probe_{k}", np.array(of_groups), statistics.code.grouped)
    return metrics
