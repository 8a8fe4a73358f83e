"""What the section on groups says in words and tables, from interpret.json.

A number that is absent is shown as a dash: it was not estimated, or there is nothing to compare.
"""

from collections.abc import Mapping
from dataclasses import dataclass

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
    ("mig_features", "MIG of single features", 3),
    ("active_groups", "active units per image", 1),
    ("dead_groups", "dead units", 0),
    ("stability", "likeness to this run's groups", 2),
)
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


def left_out(reasons: Mapping[str, str]) -> str:
    """The labels that are no factors, each with its reason."""
    return "; ".join(f"{label.replace('_', ' ')}: {reason}" for label, reason in reasons.items())


def object_words(objects: Objects) -> str:
    """Two sentences on whether groups follow objects, beside the twin's; none where the set has no masks."""
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
        )
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
