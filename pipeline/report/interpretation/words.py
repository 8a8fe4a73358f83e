"""What the section on groups says in words and tables, from interpret.json.

A number that is absent is shown as a dash: it was not estimated, or there is nothing to compare.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import pandas as pd

from pipeline.contracts.interpret import InterpretedSet, Objects, ObjectScores, Scores
from pipeline.report.tables import DASH, decimals, title
from pipeline.views import ENCODER, LATENT, PIXELS_PCA, RANDOM_INIT, TWIN

TITLES = {
    ENCODER: "this run's groups",
    TWIN: "dense twin",
    "kmeans": "k-means groups",
    "pca": "PCA",
    "rotated": "rotated at random",
    RANDOM_INIT: title(RANDOM_INIT),
    PIXELS_PCA: title(PIXELS_PCA),
    "energies": "group energies",
    LATENT: title(LATENT),
    "sae": "sparse autoencoder",
}
ROWS = (  # metric, its words, digits
    ("explicitness", "explicitness: R² of all features", 3),
    ("group_probe_1", "R² of the best group of each factor", 3),
    ("modularity", "modularity", 2),
    ("mig", "gap of the two best groups (MIG)", 3),
    ("dci_disentanglement", "disentanglement (DCI)", 3),
    ("dci_completeness", "completeness (DCI)", 3),
    ("ablation_drop", "R² lost without the group that matters most", 3),
    ("ablation_selectivity", "selectivity of ablation", 2),
    ("hoyer", "Hoyer sparsity of energies", 3),
    ("tc_between", "TC(G), nats", 2),
    ("feature_probe_1", "R² of the best single feature", 3),
    ("group_accuracy_1", "classification by the best group, above chance", 3),
    ("group_accuracy_5", "by the five best groups", 3),
    ("feature_accuracy_1", "classification by the best single feature, above chance", 3),
    ("consistency_groups", "class consistency of groups", 3),
    ("consistency_features", "class consistency of single features", 3),
    ("mig_features", "MIG of single features", 3),
    ("active_groups", "active units per image", 1),
    ("dead_groups", "dead units", 0),
    ("stability", "likeness to this run's groups", 2),
)
MEANING = (  # numbers of groups: the larger, the more a group stands for one factor
    "dci_disentanglement",
    "dci_completeness",
    "modularity",
    "mig",
    "ablation_selectivity",
)
CHANCE = 3.0  # a z up to here may be chance: one of several numbers exceeds 2 easily
ACTIVE = {  # codes of the curves at equal numbers of active units, in the order of their lines
    LATENT: "latents",
    "groups": "whole groups",
    ENCODER: "features",
    TWIN: "features of the dense twin",
    "rectified": "rotated at random, relu",
    "sae": "sparse autoencoder",
    "pca": "PCA, first components",
    RANDOM_INIT: title(RANDOM_INIT),
}
INFORMATION = ("tc_total", "tc_between", "tc_within", "tc_energies")


@dataclass(frozen=True)
class Cell:
    """A number and how far it stands from its null; z is empty where there is none."""

    value: str
    z: str


def titles(metrics: InterpretedSet) -> dict[str, str]:
    """Words for every code and every compared run."""
    compared = metrics.compare.items()
    return TITLES | {name: f"{name} (λ {run.lambda_:g})" for name, run in compared}


def number_rows(codes: Mapping[str, Scores]) -> list[tuple[str, list[Cell]]]:
    """The table of all numbers: words of a metric, and its cell for each code; metrics that have no words
    here come last, by their names."""
    names = dict.fromkeys(metric for scores in codes.values() for metric in scores.undescribed)
    others = [(metric, metric.replace("_", " "), 3) for metric in names]
    return [
        (words, [cell(scores, metric, digits) for scores in codes.values()])
        for metric, words, digits in (*ROWS, *others)
        if any(scores.value(metric) is not None for scores in codes.values())
    ]


def information_rows(codes: Mapping[str, Scores]) -> list[tuple[str, list[str]]]:
    """The table of multiinformation; single features have no groups and no energies to speak of."""
    rows = []
    for name, scores in codes.items():
        shown = INFORMATION if scores.grouped else INFORMATION[:1]
        values = [signed(scores.value(metric), 2) for metric in shown]
        rows.append((name, values + [DASH] * (len(INFORMATION) - len(shown)) + [null(scores)]))
    return rows


def signed(value: float | None, digits: int) -> str:
    """A number with so many decimals and a proper minus sign."""
    return DASH if value is None else decimals(value, digits)


def cell(scores: Scores, metric: str, digits: int) -> Cell:
    """A number of a code, with its z where the code is grouped and has one."""
    z = scores.z(metric) if scores.grouped else None
    return Cell(signed(scores.value(metric), digits), f"z {signed(z, 1)}" if z is not None else "")


def null(scores: Scores) -> str:
    """Where 95 % of random partitions leave TC(G), and this partition's z."""
    if scores.tc_total is None or not scores.grouped:
        return DASH
    low, high = (scores.value(f"tc_between_null_{end}") for end in ("low", "high"))
    return f"{signed(low, 2)} to {signed(high, 2)}, z {signed(scores.tc_null_z, 1)}"


def meaning_sentence(scores: Scores) -> str:
    """In how many numbers the groups stand clear of random groups; empty where there is no null."""
    zs = [z for metric in MEANING if (z := scores.z(metric)) is not None]
    if not zs:
        return ""
    more, less = sum(z > CHANCE for z in zs), sum(z < -CHANCE for z in zs)
    return (
        f"Of {len(zs)} numbers that ask whether groups stand for factors, {more or 'none'} {_lie(more)} "
        f"above those of random groups and {less or 'none'} {_lie(less)} below, beyond chance (z above "
        f"{CHANCE:g} or below −{CHANCE:g})."
    )


def _lie(count: int) -> str:
    return "lies" if count < 2 else "lie"


def left_out(reasons: Mapping[str, str]) -> str:
    """The labels that are no factors, each with its reason."""
    return "; ".join(f"{label.replace('_', ' ')}: {reason}" for label, reason in reasons.items())


def listed(shown: int, factors: int) -> str:
    """Which factors figures and tables of single factors show; empty where it is all."""
    if shown == factors:
        return ""
    return f"Of {factors:,} factors the {shown} with the highest R² from one group of this run are shown."


def active_sentence(active: pd.DataFrame) -> str:
    """Whether the sparse code tells more than dense features do at equal numbers of active units.

    Empty without curves.
    """
    curves = {name: rows.set_index("units")["accuracy"] for name, rows in active.groupby("code")}
    sparse = LATENT if LATENT in curves else "groups"
    if sparse not in curves or ENCODER not in curves:
        return ""
    code, units = curves[sparse], [int(k) for k in curves[sparse].index]
    sentences = [f"An image keeps its {units[0]} to {units[-1]} strongest units, and all others are 0."]
    for dense, words in ((ENCODER, "the features of this run"), (TWIN, "those of the dense twin")):
        if dense not in curves:
            continue
        above = int((code > curves[dense].loc[units]).sum())
        verdict = {len(units): "at every number of units", 0: "at no number of units"}.get(
            above, f"at {above} of {len(units)} numbers of units"
        )
        ends = [f"{100 * curve.loc[k]:.1f}" for k in (units[0], units[-1]) for curve in (code, curves[dense])]
        sentences.append(
            f"{ACTIVE[sparse].capitalize()} then tell more than {words} {verdict}: "
            f"{ends[0]} against {ends[1]} % with {units[0]}, {ends[2]} against {ends[3]} % with {units[-1]}."
        )
    return " ".join(sentences)


def object_words(objects: Objects) -> str:
    """Whether groups and clusters of tokens follow objects, beside the twin's; none without masks."""
    scores, twin = objects.codes.get(ENCODER), objects.codes.get(TWIN)
    if scores is None:
        return f"Not estimated: {objects.not_estimated}." if objects.not_estimated else ""
    return " ".join(
        (
            _object_sentence(
                "The group that tells objects from background best reaches an AUROC of",
                scores.object_auroc,
                "object_auroc",
                scores,
                twin,
            ),
            _object_sentence(
                "The map of strongest groups agrees with the objects by a foreground ARI of",
                scores.object_ari,
                "object_ari",
                scores,
                twin,
            ),
            _cluster_sentence(objects.codes),
        )
    ).strip()


def _cluster_sentence(codes: Mapping[str, ObjectScores]) -> str:
    """Whether clusters of tokens find objects better than colour and place do; empty without scores."""
    scores, control = codes[ENCODER], codes.get("colour_position")
    low, high = scores.cluster_ari_less_control_ci95_low, scores.cluster_ari_less_control_ci95_high
    if control is None or control.cluster_ari is None or low is None or high is None:
        return ""
    verdict = "more than" if low > 0 else "less than" if high < 0 else "no more and no less than"
    others = [
        f"{words} {signed(other.cluster_ari, 2)}"
        for code, words in (
            (TWIN, "the dense twin"),
            (RANDOM_INIT, "initialisation"),
            ("grid", "a plain grid"),
        )
        if (other := codes.get(code)) is not None and other.cluster_ari is not None
    ]
    return (
        f"k-means clusters of its tokens agree with the objects by {signed(scores.cluster_ari, 2)}, "
        f"{verdict} clusters of colour and place ({control.cluster_ari:.2f}; difference {signed(low, 2)} "
        f"to {signed(high, 2)})" + (f"; {', '.join(others)}" if others else "") + "."
    )


def _object_sentence(
    words: str, value: float | None, metric: str, scores: ObjectScores, twin: ObjectScores | None
) -> str:
    if value is None:
        reason = getattr(scores, f"{metric}_not_estimated")
        return f"{metric.replace('_', ' ').capitalize()} is not estimated: {reason}."
    mean, z = _object_null(metric, scores)
    of_twin = getattr(twin, metric, None)
    beside = (
        f"; in the dense twin it is {of_twin:.2f} (z {_object_null(metric, twin)[1]})"
        if twin and of_twin is not None
        else ""
    )
    return f"{words} {value:.2f}; random groups reach {mean} (z {z}){beside}."


def _object_null(metric: str, scores: ObjectScores) -> tuple[str, str]:
    """Mean of random groups, and z."""
    mean, z = (scores.further.get(f"{metric}_null_{end}") for end in ("mean", "z"))
    return signed(mean, 2), signed(z, 1)
