"""What the metrics of one code are computed from, so that they share it: partitions, energies, probes.

Legend: others = images of the test split, dim features, groups x size (see partitions), factors, candidates =
the code's own partition first, then random ones of the same sizes (none where each feature is a group).
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from pipeline.interpret import dci, group_probes
from pipeline.interpret.code import Code
from pipeline.interpret.factors import Factor
from pipeline.interpret.group_probes import Moments
from pipeline.interpret.partitions import group_energies, random_partitions, singletons
from pipeline.params import InterpretParams

NUM_PROBED = (1, 2, 5)  # groups or features of a sparse probe


@dataclass(frozen=True)
class CodeStatistics:
    """scaled: the test images' features (Code.scaled); energies: mean squares of each group's.

    moments: of features and factors (pipeline.interpret.group_probes). full_skill: R^2 of each factor from
    all features. skill: from each group alone. drops: what the probe on all features loses without a group.
    skill_floor, drop_floor: the largest of them where the factors' images are permuted.
    best_groups, best_features: that tell each factor best on the training split, the best first, as many as
    the largest sparse probe has. feature_information: what each feature alone tells of each factor
    (pipeline.interpret.dci). The floors and the information serve to compare factors, and are 0 where there
    are fewer than two.
    """

    code: Code
    factors: list[Factor]
    params: InterpretParams
    partitions: Int[np.ndarray, "candidates groups size"]
    scaled: Float[np.ndarray, "others dim"]
    energies: Float[np.ndarray, "others groups"]
    moments: list[Moments]
    full_skill: Float[np.ndarray, " factors"]
    skill: Float[np.ndarray, "candidates factors groups"]
    drops: Float[np.ndarray, "candidates factors groups"]
    skill_floor: float
    drop_floor: float
    best_groups: Int[np.ndarray, "candidates factors probed"]
    best_features: Int[np.ndarray, "factors probed_features"]
    feature_information: Float[np.ndarray, "factors dim"]


def compute_statistics(code: Code, factors: list[Factor], params: InterpretParams) -> CodeStatistics:
    """Everything is fitted on the training split and scored on the test split. Random numbers come from
    params.seed."""
    random = np.random.default_rng(params.seed)
    partitions = code.partition[None]
    if code.grouped:
        drawn = random_partitions(code.partition, params.partitions, random)
        partitions = np.concatenate([partitions, drawn])
    scaled = code.scaled()
    moments = group_probes.read_moments(code.train, code.test, factors)
    skill_floor = drop_floor = 0.0
    feature_information = np.zeros((len(factors), code.train.shape[1]))
    if len(factors) > 1:
        permuted_factors = [permuted(factor, random) for factor in factors]
        permuted_moments = group_probes.read_moments(code.train, code.test, permuted_factors)
        chance = group_probes.group_skill(permuted_moments, partitions[:1], params.l2)
        skill_floor = float(chance.max(initial=0.0))
        chance = np.abs(group_probes.ablation_drops(permuted_moments, partitions[:1], params.l2))
        drop_floor = float(chance.max(initial=0.0))
        feature_information = dci.feature_information(code.train, code.test, factors, params.bins, random)
    most, single = max(NUM_PROBED), singletons(code.train.shape[1])
    best = [group_probes.best_groups(moments, each, most, params.l2) for each in partitions]
    return CodeStatistics(
        code=code,
        factors=factors,
        params=params,
        partitions=partitions,
        scaled=scaled,
        energies=group_energies(scaled, code.partition),
        moments=moments,
        full_skill=group_probes.full_skill(moments, params.l2) if factors else np.zeros(0),
        skill=group_probes.group_skill(moments, partitions, params.l2),
        drops=group_probes.ablation_drops(moments, partitions, params.l2),
        skill_floor=skill_floor,
        drop_floor=drop_floor,
        best_groups=np.stack(best),
        best_features=group_probes.best_groups(moments, single, most, params.l2),
        feature_information=feature_information,
    )


def permuted(factor: Factor, random: np.random.Generator) -> Factor:
    """The factor with its known images in another order: no feature can tell it."""
    train, test = np.arange(len(factor.train)), np.arange(len(factor.test))
    train[factor.train_known] = random.permutation(train[factor.train_known])
    test[factor.test_known] = random.permutation(test[factor.test_known])
    return Factor(
        factor.name,
        factor.train[train],
        factor.test[test],
        factor.train_classes[train],
        factor.test_classes[test],
    )
