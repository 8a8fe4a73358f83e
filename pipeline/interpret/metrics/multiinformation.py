"""The multiinformation of one code: total, between groups, within, with its null, noise, intervals. Nats.

Held beside: random partitions of the same sizes (does this grouping gather dependence?), independent noise
(how much hangs on nearly degenerate directions?), energies of the groups (data processing lowers it further).

Legend: images, dim features, groups x size (see partitions).
"""

from typing import Any

import numpy as np
from jaxtyping import Float, Int

from pipeline.interpret import information
from pipeline.interpret.information import Split, TooFewImagesError
from pipeline.interpret.knn_information import MAX_NUMBERS, gate_total, knn_total
from pipeline.interpret.partitions import (
    correlation,
    group_energies,
    random_partitions,
    standardise,
)
from pipeline.params import InterpretParams

Metrics = dict[str, Any]
NO_SPREAD = 1e-9  # nats; a null below it does not vary
DEPENDENT = 1e-6  # smallest eigenvalue of correlations of float32 features that are not functions of others


def measure_information(
    features: Float[np.ndarray, "images dim"],
    partition: Int[np.ndarray, "groups size"],
    params: InterpretParams,
) -> Metrics:
    """All numbers of one code, by name.

    tc_total = tc_between + tc_within, of tc_transform (signed z, or |z - median|), whichever total is larger;
    tc_ci95_low, tc_ci95_high: of tc_total, from halves of the images; tc_dropped: features left out because
    others determine them (one, where a layer-norm closes the encoder; their information is infinite);
    tc_between_null_*, tc_null_z: TC(G) of random partitions, and how many of their standard deviations ours
    lies above; tc_noise_<sigma>, tc_between_noise_<sigma>: with independent noise of sigma standard
    deviations; tc_gates: of on/off patterns inside groups; tc_energies, tc_energies_knn: of the mean squares
    of the groups' standardised features (the latter of the MAX_NUMBERS largest).

    Constant features add nothing; without two that vary all values are 0. With too few images for the
    features the tc_* of the copula are absent and tc_not_estimated says why.
    """
    random = np.random.default_rng(params.seed)
    energies = group_energies(standardise(features, features), partition)
    found: Metrics = {"tc_gates": gate_total(features, partition)}
    kept, dropped = independent_features(features)
    groups = restrict(partition, kept)
    values = features[:, kept]
    found["tc_dropped"] = dropped
    try:
        found |= _copula(values, groups, params, random)
    except TooFewImagesError as error:
        found["tc_not_estimated"] = str(error)
    return found | energy_information(energies, params, random)


def _copula(
    values: Float[np.ndarray, "images kept"],
    groups: Int[np.ndarray, "groups size"],
    params: InterpretParams,
    random: np.random.Generator,
) -> Metrics:
    images = len(values)
    information.bias(values.shape[1], images // 2)  # the halves of the interval need enough images too
    scores = {
        "signed": information.normal_scores(values, random),
        "folded": information.normal_scores(information.folded(values), random),
    }
    correlations = {name: information.scores_correlation(found) for name, found in scores.items()}
    splits = {
        name: information.gaussian_split(R, groups, images) if R.size else Split(0.0, 0.0, 0.0)
        for name, R in correlations.items()
    }
    best = max(splits, key=lambda name: splits[name].total)
    split, R = splits[best], correlations[best]
    found: Metrics = {
        "tc_total": split.total,
        "tc_between": split.between,
        "tc_within": split.within,
        "tc_transform": best,
        "tc_total_signed": splits["signed"].total,
        "tc_total_folded": splits["folded"].total,
    }
    drawn = random_partitions(groups, params.partitions, random)
    nulls = split.total - information.within_groups(R, drawn, images)
    found |= null_metrics("tc_between", split.between, nulls)
    found["tc_null_z"] = found.pop("tc_between_null_z")
    half = images // 2
    parts = []
    for _ in range(params.subsamples):
        rows = random.permutation(images)[:half]
        parts.append(information.gaussian_total(information.scores_correlation(scores[best][rows]), half))
    spread = float(np.std(parts)) if values.shape[1] > 1 else 0.0
    found |= {"tc_ci95_low": split.total - 1.96 * spread, "tc_ci95_high": split.total + 1.96 * spread}
    deviations = values.std(0)
    for sigma in params.noise:
        noisy = values + sigma * deviations * random.standard_normal(values.shape)
        noisy_R = information.scores_correlation(information.normal_scores(noisy, random))
        noisy_split = information.gaussian_split(noisy_R, groups, images)
        found[f"tc_noise_{sigma:g}"] = noisy_split.total
        found[f"tc_between_noise_{sigma:g}"] = noisy_split.between
    return found


def energy_information(
    energies: Float[np.ndarray, "images groups"], params: InterpretParams, random: np.random.Generator
) -> Metrics:
    """tc_energies: the larger of both transforms' copula estimates; tc_energies_knn: by neighbours."""
    kept = information.varying(energies)
    values = energies[:, kept]
    images = len(values)
    found: Metrics = {}
    try:
        totals = [
            information.gaussian_total(
                information.scores_correlation(information.normal_scores(part, random)), images
            )
            for part in (values, information.folded(values))
        ]
        found["tc_energies"] = max(totals)
    except TooFewImagesError as error:
        found["tc_energies_not_estimated"] = str(error)
    largest = np.sort(np.argsort(-values.mean(0), kind="stable")[:MAX_NUMBERS])
    rows = random.permutation(images)[: params.knn_images]
    if len(rows) > params.knn_neighbors:
        # The logarithm is a function of each energy alone and spreads the small ones; energies may be 0.
        logs = np.log(values[np.ix_(rows, largest)] + 1e-12)
        found["tc_energies_knn"] = knn_total(logs, params.knn_neighbors)
    return found


def null_metrics(name: str, value: float, nulls: Float[np.ndarray, " drawn"]) -> Metrics:
    """Mean, 2.5 % and 97.5 % of the null, and (value - mean) / std; z is 0 where the null does not vary and
    the value is its."""
    spread, mean = float(nulls.std()), float(nulls.mean())
    low, high = (float(edge) for edge in np.percentile(nulls, [2.5, 97.5]))
    z = float((value - mean) / spread) if spread > NO_SPREAD else 0.0
    return {
        f"{name}_null_mean": mean,
        f"{name}_null_low": low,
        f"{name}_null_high": high,
        f"{name}_null_z": z,
    }


def independent_features(features: Float[np.ndarray, "images dim"]) -> tuple[Int[np.ndarray, " kept"], int]:
    """The features that vary and that no others determine linearly, and how many more of the varying ones
    there were. The one that the others predict best goes first."""
    kept = information.varying(features)
    varying = len(kept)
    if len(features) <= varying + 1:
        return kept, 0  # too few images to tell
    R = correlation(features[:, kept])
    while len(kept) > 1 and np.linalg.eigvalsh(R)[0] < DEPENDENT:
        out = information.most_determined(R)
        kept, R = np.delete(kept, out), np.delete(np.delete(R, out, 0), out, 1)
    return kept, varying - len(kept)


def restrict(
    partition: Int[np.ndarray, "groups size"], kept: Int[np.ndarray, " kept"]
) -> Int[np.ndarray, "left width"]:
    """The partition of the kept features, in their new numbers; groups without one are left out."""
    groups = [np.flatnonzero(np.isin(kept, group[group >= 0])) for group in partition]
    groups = [group for group in groups if len(group)]
    width = max((len(group) for group in groups), default=0)
    if not groups:
        return np.empty((0, 0), dtype=np.int64)
    return np.stack([np.pad(group, (0, width - len(group)), constant_values=-1) for group in groups])
