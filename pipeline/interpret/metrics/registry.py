"""Do groups of features stand for factors? Every metric of one code, in the order of interpret.json.

A metric is a function of `CodeStatistics` that returns numbers by name. What a grouping claims is compared
with random partitions of the same features in the same sizes (pipeline.interpret.nulls). A new metric is a
file beside this one and a line here.

Legend: factors, groups (see partitions).
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from pipeline.interpret.code import Code
from pipeline.interpret.code_statistics import CodeStatistics, compute_statistics
from pipeline.interpret.factors import Factor
from pipeline.interpret.metrics.consistency import class_consistency
from pipeline.interpret.metrics.energy_sparsity import energy_sparsity
from pipeline.interpret.metrics.factor_probes import ablation_drop, explicitness, sparse_probes
from pipeline.interpret.metrics.matching import ablation_selectivity, feature_matching, group_matching
from pipeline.interpret.metrics.multiinformation import multiinformation
from pipeline.interpret.metrics.size import code_size, dead_features
from pipeline.interpret.metrics.sparse_classification import sparse_classification
from pipeline.measure.metrics import Metrics
from pipeline.params import InterpretParams

Metric = Callable[[CodeStatistics], Metrics]
METRICS: tuple[Metric, ...] = (
    multiinformation,
    code_size,
    energy_sparsity,
    dead_features,
    explicitness,
    class_consistency,
    group_matching,
    ablation_selectivity,
    feature_matching,
    ablation_drop,
    sparse_probes,
    sparse_classification,
)


@dataclass(frozen=True)
class MeasuredCode:
    """metrics: by name. skill: what each group tells of a factor. drops: what is lost of it without the
    group."""

    metrics: Metrics
    skill: Float[np.ndarray, "factors groups"]
    drops: Float[np.ndarray, "factors groups"]


def measure_code(
    code: Code, factors: list[Factor], params: InterpretParams, metrics: tuple[Metric, ...] = METRICS
) -> MeasuredCode:
    """The numbers of one code. With fewer than two factors the numbers that compare factors are absent; with
    none, also those that need a factor."""
    statistics = compute_statistics(code, factors, params)
    numbers: Metrics = {}
    for metric in metrics:
        numbers |= metric(statistics)
    return MeasuredCode(numbers, statistics.skill[0].copy(), statistics.drops[0].copy())
