"""Do groups of features stand for factors? The numbers of one code, held out, beside random partitions.

A code is features of the images of both splits with a partition: the run's groups, k-means groups, single
latents. What is fitted is fitted on the training split and scored on the test split. What a grouping claims
is compared with random partitions of the same features in the same sizes.

Legend: images of the training split, others of the test split, dim features, groups x size (see partitions),
factors.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float, Int

from pipeline.interpret import dci, skill
from pipeline.interpret.factors import Factor
from pipeline.interpret.group_sparsity import count_dead, hoyer, measure_sparsity, purity
from pipeline.interpret.multiinformation import null_metrics
from pipeline.interpret.partitions import group_energies, random_partitions, singletons, standardise
from pipeline.params import InterpretParams

Metrics = dict[str, Any]
KS = (1, 2, 5)
TOP_IMAGES = 9
GROUP_METRICS = {  # of a matrix factors x groups of shares of what all features tell
    "modularity": dci.modularity,
    "mig": dci.gap,
    "dci_disentanglement": dci.disentanglement,
    "dci_completeness": dci.completeness,
}


@dataclass(frozen=True)
class Code:
    """Features of both splits, and the groups they are in. zero_is_off: a feature that is 0 says nothing, so
    it is not centred before its square is called an energy."""

    train: Float[np.ndarray, "images dim"]
    test: Float[np.ndarray, "others dim"]
    partition: Int[np.ndarray, "groups size"]
    zero_is_off: bool = False

    @property
    def grouped(self) -> bool:
        """Whether some group has more than one feature, so that another partition would be another code."""
        return self.partition.shape[1] > 1

    def scaled(self) -> Float[np.ndarray, "others dim"]:
        """The test images' features in units of the training split: mean 0 and variance 1, or (zero_is_off)
        mean square 1. Group energies are the mean squares of these."""
        if not self.zero_is_off:
            return standardise(self.test, self.train)
        scale = np.sqrt(np.square(self.train).mean(0))
        return np.where(scale > 0, self.test / np.where(scale > 0, scale, 1.0), 0.0)


@dataclass(frozen=True)
class Found:
    """metrics: by name. skill, drops: what each group tells of a factor, what is lost without it."""

    metrics: Metrics
    skill: Float[np.ndarray, "factors groups"]
    drops: Float[np.ndarray, "factors groups"]


def measure(code: Code, factors: list[Factor], params: InterpretParams) -> Found:
    """All numbers of a code but its multiinformation.

    Of groups, each with _null_mean, _null_low, _null_high and _null_z from random partitions where the code
    is grouped: modularity, mig, dci_disentanglement, dci_completeness of the skill matrix (R^2 of a ridge
    regression on each group, as a share of that on all); ablation_selectivity (modularity of the drops),
    ablation_drop (the largest drop of a factor, mean over factors); group_probe_<k> (R^2 from the k best
    groups); hoyer (with gini and active_groups: see measure_sparsity).
    Of single features: mig_features, dci_features_* (histogram information), feature_probe_<k>.
    Of the code: explicitness (R^2 of all features), count_dead, zero_features (share of numbers that are
    exactly 0), and purity (secondary).

    With fewer than two factors those that compare factors are absent, and all that need one with none.
    """
    random = np.random.default_rng(params.seed)
    found: Metrics = {"features": code.train.shape[1], "groups": len(code.partition)}
    partitions = code.partition[None]
    if code.grouped:
        drawn = random_partitions(code.partition, params.partitions, random)
        partitions = np.concatenate([partitions, drawn])
    scaled = code.scaled()
    energies = group_energies(scaled, code.partition)
    found |= measure_sparsity(energies)
    sparse = [float(hoyer(group_energies(scaled, part)).mean()) for part in partitions]
    found |= _with_null("hoyer", np.array(sparse), code.grouped) | count_dead(code.train, code.partition)
    found["zero_features"] = float((code.test == 0).mean())
    empty = np.zeros((len(factors), len(code.partition)))
    if not factors:
        return Found(found, empty, empty)
    moments = skill.read_moments(code.train, code.test, factors)
    shuffled = skill.read_moments(code.train, code.test, [permuted(factor, random) for factor in factors])
    everything = skill.full_skill(moments, params.l2)
    found["explicitness"] = float(everything.mean())
    found["purity"] = purity(energies, [factor.test_classes for factor in factors], TOP_IMAGES)
    matrices = skill.group_skill(moments, partitions, params.l2)
    drops = skill.ablation_drops(moments, partitions, params.l2)
    if len(factors) > 1:
        floor = float(skill.group_skill(shuffled, partitions[:1], params.l2).max(initial=0.0))
        told = dci.shares(matrices, everything, floor)
        for name, function in GROUP_METRICS.items():
            found |= _with_null(name, function(told), code.grouped)
        fall = float(np.abs(skill.ablation_drops(shuffled, partitions[:1], params.l2)).max(initial=0.0))
        selective = dci.modularity(dci.shares(drops, everything, fall))
        found |= _with_null("ablation_selectivity", selective, code.grouped)
        alone = dci.told_by_features(code.train, code.test, factors, params.bins, random)[None]
        found |= {
            "mig_features": float(dci.gap(alone)[0]),
            "dci_features_disentanglement": float(dci.disentanglement(dci.row_shares(alone))[0]),
            "dci_features_completeness": float(dci.completeness(dci.row_shares(alone))[0]),
        }
    found |= _with_null("ablation_drop", drops.max(-1).mean(-1), code.grouped)
    single = singletons(code.train.shape[1])
    for k in KS:
        found[f"feature_probe_{k}"] = float(skill.sparse_probing(moments, single, k, params.l2).mean())
        found |= _with_null(
            f"group_probe_{k}",
            np.array([skill.sparse_probing(moments, part, k, params.l2).mean() for part in partitions]),
            code.grouped,
        )
    return Found(found, matrices[0], drops[0])


def permuted(factor: Factor, random: np.random.Generator) -> Factor:
    """The factor with its known images in another order: nothing can tell it."""
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


def _with_null(name: str, values: Float[np.ndarray, " drawn"], grouped: bool) -> Metrics:
    """The first value, and where it stands among the others."""
    found = {name: float(values[0])}
    return found | (null_metrics(name, found[name], values[1:]) if grouped else {})
