"""What the section on groups says in words and tables, from interpret.json.

A number that is absent is shown as a dash: it was not estimated, or there is nothing to compare.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pipeline.report.tables import DASH, VIEW_TITLES, Metrics

TITLES = {
    "encoder": "this run's groups",
    "kmeans": "k-means groups",
    "pca": "PCA",
    "rotated": "rotated at random",
    "random_init": "at initialisation",
    "pixels_pca": VIEW_TITLES["pixels_pca"],
    "energies": "group energies",
    "latent": "latents",
    "sae": "sparse autoencoder",
}
ROWS = (  # metric, its words, digits
    ("explicitness", "explicitness: R² of all features", 3),
    ("group_probe_1", "R² of the best group of each factor", 3),
    ("modularity", "modularity", 2),
    ("mig", "gap of the two best groups (MIG)", 3),
    ("dci_disentanglement", "disentanglement (DCI)", 3),
    ("dci_completeness", "completeness (DCI)", 3),
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
READING = (
    ("TC(Z), TC(G)", "total correlation in nats: what all features share, and what the groups as wholes "
                     "share; lower bounds by a Gaussian copula (docs/theory.md)."),
    ("random groups", "the same features dealt out at random in the same sizes; z counts standard deviations "
                      "of 50 such draws or more. A grouping means something where |z| is well above 2."),
    ("k-means groups", "the same features grouped by their correlations after training."),
    ("rotated at random", "the same features turned: a linear probe reads as much, one feature means less."),
    ("modularity, MIG, DCI", "does a group tell one factor, and is a factor told by one group? From the R² "
                             "of a ridge probe on each group, as a share of what all features tell; 0 to 1."),
    ("ablation", "R² that a probe on all features loses when a group is set to its mean."),
)  # fmt: skip


@dataclass(frozen=True)
class Cell:
    """A number and how far it stands from its null; z is empty where there is none."""

    value: str
    z: str


def titles(metrics: Metrics) -> dict[str, str]:
    """Words for every code and every compared run."""
    compared = metrics["compare"].items()
    return TITLES | {name: f"{name} (λ {found['lambda']:g})" for name, found in compared}


def number_rows(codes: Mapping[str, Metrics]) -> list[tuple[str, list[Cell]]]:
    """The table of all numbers: words of a metric, and its cell for each code."""
    return [
        (words, [cell(found, metric, digits) for found in codes.values()])
        for metric, words, digits in ROWS
        if any(metric in found for found in codes.values())
    ]


def information_rows(codes: Mapping[str, Metrics]) -> list[tuple[str, list[str]]]:
    """The table of multiinformation; single features have no groups and no energies to speak of."""
    rows = []
    for name, found in codes.items():
        shown = INFORMATION if grouped(found) else ("tc_total", "", "", "")
        rows.append((name, [_number(found.get(metric), 2) for metric in shown] + [null(found)]))
    return rows


def grouped(found: Metrics) -> bool:
    return found["groups"] < found["features"]


def _number(value: float | None, digits: int) -> str:
    return DASH if value is None else f"{value:.{digits}f}".replace("-", "−")


def cell(found: Metrics, metric: str, digits: int) -> Cell:
    z = found.get("tc_null_z" if metric == "tc_between" else f"{metric}_null_z")
    return Cell(
        _number(found.get(metric), digits), f"z {_number(z, 1)}" if z is not None and grouped(found) else ""
    )


def null(found: Metrics) -> str:
    if "tc_total" not in found or not grouped(found):
        return DASH
    low, high, z = (found[key] for key in ("tc_between_null_low", "tc_between_null_high", "tc_null_z"))
    return f"{_number(low, 2)} to {_number(high, 2)}, z {_number(z, 1)}"


def left_out(reasons: Mapping[str, str]) -> str:
    return "; ".join(f"{label.replace('_', ' ')}: {reason}" for label, reason in reasons.items())


def object_words(objects: Mapping[str, Any]) -> str:
    """One sentence on whether groups follow objects."""
    found = objects.get("encoder")
    if not found:
        return str(objects.get("not_estimated", ""))
    parts = []
    for key, words in (
        ("object_auroc", "the group that tells objects from background best reaches an AUROC of"),
        ("object_ari", "the map of strongest groups agrees with the objects by a foreground ARI of"),
    ):
        if key in found:
            null = _number(found[f"{key}_null_mean"], 2)
            z = _number(found[f"{key}_null_z"], 1)
            parts.append(f"{words} {found[key]:.2f} (random groups {null}, z {z})")
        else:
            parts.append(f"{key.replace('_', ' ')} is not estimated: {found[key + '_not_estimated']}")
    text = "; ".join(parts)
    return text[0].upper() + text[1:] + "."
