"""The multiinformation (total correlation) of one code, in nats: total, between groups, within groups.

Beside it stand the same of random partitions of the same sizes (does this grouping gather dependence?), with
independent noise (how much comes from nearly degenerate directions?), and of the groups' energies (data
processing lowers it further).

Legend: images, dim features, groups x size (see partitions).
"""

import numpy as np
from jaxtyping import Float, Int

from pipeline.interpret import gaussian_copula as copula
from pipeline.interpret.code_statistics import CodeStatistics
from pipeline.interpret.gaussian_copula import Split, TooFewImagesError
from pipeline.interpret.knn_information import MAX_NUMBERS, gate_total, knn_total
from pipeline.interpret.nulls import null_metrics
from pipeline.interpret.partitions import correlation, group_energies, random_partitions, standardise
from pipeline.measure.metrics import Metrics
from pipeline.params import InterpretParams

DEPENDENT = 1e-6  # smallest eigenvalue of correlations of float32 features that are not functions of others


def multiinformation(statistics: CodeStatistics) -> Metrics:
    """tc_*: `measure_information` of the test split's features."""
    code = statistics.code
    return measure_information(code.test, code.partition, statistics.params)


def measure_information(
    features: Float[np.ndarray, "images dim"],
    partition: Int[np.ndarray, "groups size"],
    params: InterpretParams,
) -> Metrics:
    """All numbers of one code, by name.

    tc_total = tc_between + tc_within, of tc_transform (signed z, or |z - median|), whichever total is larger;
    tc_ci95_low, tc_ci95_high: of tc_total, from halves of the images; tc_between_ci95_low and _high: of
    tc_between, from the same; tc_dropped: features left out because others determine them (one, where a
    layer-norm closes the encoder; their information is infinite);
    tc_between_null_*, tc_null_z: TC(G) of random partitions, and how many of their standard deviations
    tc_between lies above them; tc_noise_<sigma>, tc_between_noise_<sigma>: with independent noise of sigma
    standard deviations; tc_gates: of on/off patterns inside groups; tc_energies, tc_energies_knn: of the mean
    squares of the groups' standardised features (the latter of the MAX_NUMBERS largest).

    Constant features add nothing; without two that vary all values are 0. With too few images for the
    features the tc_* of the copula are absent and tc_not_estimated says why.
    """
    random = np.random.default_rng(params.seed)
    energies = group_energies(standardise(features, features), partition)
    metrics: Metrics = {"tc_gates": gate_total(features, partition)}
    independent, dropped = independent_features(features)
    groups = restrict(partition, independent)
    values = features[:, independent]
    metrics["tc_dropped"] = dropped
    try:
        metrics |= _copula(values, groups, params, random)
    except TooFewImagesError as error:
        metrics["tc_not_estimated"] = str(error)
    return metrics | energy_information(energies, params, random)


def _copula(
    values: Float[np.ndarray, "images kept"],
    groups: Int[np.ndarray, "groups size"],
    params: InterpretParams,
    random: np.random.Generator,
) -> Metrics:
    images = len(values)
    copula.bias(values.shape[1], images // 2)  # the halves of the interval need enough images too
    scores = {
        "signed": copula.normal_scores(values, random),
        "folded": copula.normal_scores(copula.folded(values), random),
    }
    correlations = {name: copula.scores_correlation(values) for name, values in scores.items()}
    splits = {
        name: copula.gaussian_split(R, groups, images) if R.size else Split(0.0, 0.0, 0.0)
        for name, R in correlations.items()
    }
    best = max(splits, key=lambda name: splits[name].total)
    split, R = splits[best], correlations[best]
    metrics: Metrics = {
        "tc_total": split.total,
        "tc_between": split.between,
        "tc_within": split.within,
        "tc_transform": best,
        "tc_total_signed": splits["signed"].total,
        "tc_total_folded": splits["folded"].total,
    }
    drawn = random_partitions(groups, params.partitions, random)
    nulls = split.total - copula.within_groups(R, drawn, images)
    metrics |= null_metrics("tc_between", split.between, nulls)
    metrics["tc_null_z"] = metrics.pop("tc_between_null_z")
    half = images // 2
    totals, betweens = [], []
    for _ in range(params.subsamples):
        rows = random.permutation(images)[:half]
        half_R = copula.scores_correlation(scores[best][rows])
        totals.append(copula.gaussian_total(half_R, half))
        betweens.append(totals[-1] - float(copula.within_groups(half_R, groups[None], half)[0]))
    several = values.shape[1] > 1  # else rounding alone varies
    metrics |= _interval("tc", split.total, float(np.std(totals)) if several else 0.0)
    metrics |= _interval("tc_between", split.between, float(np.std(betweens)) if several else 0.0)
    deviations = values.std(0)
    for sigma in params.noise:
        noisy = values + sigma * deviations * random.standard_normal(values.shape)
        noisy_R = copula.scores_correlation(copula.normal_scores(noisy, random))
        noisy_split = copula.gaussian_split(noisy_R, groups, images)
        metrics[f"tc_noise_{sigma:g}"] = noisy_split.total
        metrics[f"tc_between_noise_{sigma:g}"] = noisy_split.between
    return metrics


def _interval(name: str, value: float, spread: float) -> Metrics:
    return {f"{name}_ci95_low": value - 1.96 * spread, f"{name}_ci95_high": value + 1.96 * spread}


def energy_information(
    energies: Float[np.ndarray, "images groups"], params: InterpretParams, random: np.random.Generator
) -> Metrics:
    """tc_energies: the larger of both transforms' copula estimates; tc_energies_knn: by neighbours."""
    values = energies[:, copula.varying(energies)]
    images = len(values)
    metrics: Metrics = {}
    try:
        totals = [
            copula.gaussian_total(copula.scores_correlation(copula.normal_scores(part, random)), images)
            for part in (values, copula.folded(values))
        ]
        metrics["tc_energies"] = max(totals)
    except TooFewImagesError as error:
        metrics["tc_energies_not_estimated"] = str(error)
    largest = np.sort(np.argsort(-values.mean(0), kind="stable")[:MAX_NUMBERS])
    rows = random.permutation(images)[: params.knn_images]
    if len(rows) > params.knn_neighbors:
        # The logarithm is a function of each energy alone and spreads the small ones; energies may be 0.
        logs = np.log(values[np.ix_(rows, largest)] + 1e-12)
        metrics["tc_energies_knn"] = knn_total(logs, params.knn_neighbors)
    return metrics


def independent_features(features: Float[np.ndarray, "images dim"]) -> tuple[Int[np.ndarray, " kept"], int]:
    """The features that vary and that no others determine linearly, and how many more of the varying ones
    there were. The one that the others predict best goes first."""
    kept = copula.varying(features)
    varying = len(kept)
    if len(features) <= varying + 1:
        return kept, 0  # too few images to tell
    R = correlation(features[:, kept])
    while len(kept) > 1 and np.linalg.eigvalsh(R)[0] < DEPENDENT:
        out = copula.most_determined(R)
        kept, R = np.delete(kept, out), np.delete(np.delete(R, out, 0), out, 1)
    return kept, varying - len(kept)


def restrict(
    partition: Int[np.ndarray, "groups size"], kept: Int[np.ndarray, " kept"]
) -> Int[np.ndarray, "remaining width"]:
    """The partition of the kept features, in their new numbers; groups without one are left out."""
    groups = [np.flatnonzero(np.isin(kept, group[group >= 0])) for group in partition]
    groups = [group for group in groups if len(group)]
    width = max((len(group) for group in groups), default=0)
    if not groups:
        return np.empty((0, 0), dtype=np.int64)
    return np.stack([np.pad(group, (0, width - len(group)), constant_values=-1) for group in groups])
