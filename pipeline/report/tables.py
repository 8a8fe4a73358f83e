"""The report's probe tables, and how numbers are written.

Scores are fractions (accuracy)
or coefficients of determination (R²); text shows accuracies in percent and differences in points (percent
of images). A number that a metrics file holds as null is shown as a dash.
"""

from dataclasses import dataclass
from typing import Any, Literal

Metrics = dict[str, Any]
Metric = Literal["accuracy", "r2"]

VIEW_TITLES = {
    "encoder": "trained encoder",
    "last_blocks": "its last blocks",
    "latent": "latents",
    "groups": "group energies",
    "random_init": "at initialisation",
    "random_init_last_blocks": "last blocks at initialisation",
    "pixels_pca": "pixels + PCA",
    "foreground_area": "foreground area",
    "fine_tuned": "fine-tuned",
    "fine_tuned_random_init": "trained on labels alone",
    "majority": "majority class",
}
KIND_TITLES = {
    "accuracy": "linear probe",
    "sgd_accuracy": "linear probe as papers train it",
    "knn_accuracy": "k-NN",
}
WHOLE_NETWORKS = ("fine_tuned", "fine_tuned_random_init")  # no probes of features
ONLY_IN_KINDS = "random_init_last_blocks"  # a baseline of one view, which would crowd the tables of labels
BASELINES = ("random_init", "pixels_pca")
DASH = "–"


@dataclass(frozen=True)
class Score:
    """One probe's score on the test images; low, high: its 95 % interval, None where there is none."""

    value: float
    low: float | None
    high: float | None
    note: str = ""


@dataclass(frozen=True)
class Row:
    """One label. best: the views with the highest score; gain: encoder less random_init, a fraction or R².

    clear: the intervals of the two do not overlap.
    """

    label: str
    scores: dict[str, Score]
    best: tuple[str, ...]
    gain: float | None
    clear: bool
    knn_accuracy: float | None


@dataclass(frozen=True)
class ProbeTable:
    """All labels of one set that have `metric`, largest gain first; views in the order of VIEW_TITLES.

    means: of the probes' scores, and of the encoder's k-NN; rankme: of each view on the test images.
    """

    metric: Metric
    views: tuple[str, ...]
    rows: tuple[Row, ...]
    means: dict[str, float]
    mean_knn: float | None
    rankme: dict[str, float]
    num_test: str


@dataclass(frozen=True)
class KindsTable:
    """Mean accuracies over the labels of a set, a row per view, a column per kind of probe.

    cells: (mean, deviation over draws or None), or None where that view has no such probe.
    """

    kinds: tuple[str, ...]
    rows: tuple[tuple[str, tuple[tuple[float, float | None] | None, ...]], ...]


def title(view: str) -> str:
    """The words for a view; a view this page does not know keeps its name."""
    return VIEW_TITLES.get(view, view.replace("_", " "))


def percent(fraction: float | None) -> str:
    """0.6421 -> "64.2"."""
    return DASH if fraction is None else f"{100 * fraction:.1f}"


def score(value: float | None, metric: Metric) -> str:
    """A score as its table shows it: percent of accuracy, or R² with two decimals."""
    if metric == "accuracy" or value is None:
        return percent(value)
    return f"{value:.2f}".replace("-", "−")


def points(gain: float | None, metric: Metric = "accuracy") -> str:
    """A signed difference of two scores."""
    if gain is None:
        return DASH
    text = f"{100 * gain:+.1f}" if metric == "accuracy" else f"{gain:+.2f}"
    return text.replace("-", "−")


def number(value: float | None, digits: int = 3) -> str:
    """Whole numbers with thousands separators, others with `digits` significant digits."""
    if value is None:
        return DASH
    if float(value).is_integer() or abs(value) >= 10**digits:
        return f"{value:,.0f}"
    return f"{value:.{digits}g}"


def order_views(views: set[str]) -> tuple[str, ...]:
    """The known views first, in the order of VIEW_TITLES, then the others by name."""
    return tuple(view for view in VIEW_TITLES if view in views) + tuple(sorted(views - set(VIEW_TITLES)))


def probe_table(labels: Metrics, summary: Metrics, metric: Metric) -> ProbeTable | None:
    """The table of one set and metric from probe.json; None where no label has this metric.

    A label with both scores is in both tables.
    """
    shown = {
        label: {view: fields for view, fields in views.items() if view != ONLY_IN_KINDS}
        for label, views in labels.items()
    }
    rows = [row for label, views in shown.items() if (row := _row(label, views, metric)).scores]
    if not rows:
        return None
    rows.sort(key=lambda row: (row.gain is None, -(row.gain or 0.0), row.label))
    counts = sorted({labels[row.label][view].get("n_test") or 0 for row in rows for view in row.scores} - {0})
    counted = summary if metric == "accuracy" and len(rows) > 1 else {}
    means = counted.get("mean_accuracy") or {}
    return ProbeTable(
        metric=metric,
        views=order_views({view for row in rows for view in row.scores}),
        rows=tuple(rows),
        means={view: mean for view, mean in means.items() if mean is not None and view != ONLY_IN_KINDS},
        mean_knn=(counted.get("mean_knn_accuracy") or {}).get("encoder"),
        rankme=summary.get("rankme") or {} if metric == "accuracy" else {},
        num_test=" to ".join(f"{count:,}" for count in (counts[:1] + counts[1:][-1:])),
    )


def kinds_table(summary: Metrics) -> KindsTable | None:
    """From probe.json's summary of a set; None where there is one kind of probe only."""
    means = {key.removeprefix("mean_"): found for key, found in summary.items() if key.startswith("mean_")}
    kinds = [kind for kind, found in means.items() if found and not kind.endswith("_sd")]
    kinds.sort(key=lambda kind: (kind == "knn_accuracy", kind.startswith("accuracy_"), kind != "accuracy"))
    if len(kinds) < 2:
        return None
    views = order_views({view for kind in kinds for view in means[kind]} - set(WHOLE_NETWORKS))
    cells = [
        tuple(
            (means[kind][view], means.get(f"{kind}_sd", {}).get(view)) if view in means[kind] else None
            for kind in kinds
        )
        for view in views
    ]
    return KindsTable(tuple(map(kind_title, kinds)), tuple(zip(views, cells, strict=True)))


def kind_title(kind: str) -> str:
    """The words for a kind of probe: accuracy_1pct is "1 % of the labels"."""
    share = kind.removeprefix("accuracy_").removesuffix("pct").replace("_", ".")
    return KIND_TITLES.get(kind) or f"{share} % of the labels"


def _row(label: str, views: Metrics, metric: Metric) -> Row:
    scores = {
        view: _score(fields, metric) for view, fields in views.items() if fields.get(metric) is not None
    }
    encoder, start = scores.get("encoder"), scores.get("random_init")
    highest = max((found.value for found in scores.values()), default=0.0) if encoder else None
    return Row(
        label=label,
        scores=scores,
        best=tuple(view for view, found in scores.items() if found.value == highest),
        gain=encoder.value - start.value if encoder and start else None,
        clear=encoder is not None and start is not None and _apart(encoder, start),
        knn_accuracy=views.get("encoder", {}).get("knn_accuracy"),
    )


def _score(fields: Metrics, metric: Metric) -> Score:
    prefix = "r2_" if metric == "r2" and fields.get("accuracy") is not None else ""  # a count has both
    low, high, l2 = (fields.get(prefix + key) for key in ("ci95_low", "ci95_high", "l2"))
    facts = [(l2, "l2 {:g}"), (fields.get("n_train"), "{:,} train"), (fields.get("n_test"), "{:,} test")]
    notes = [text.format(value) for value, text in facts if value is not None]
    notes += ["not converged"] if fields.get("converged") is False else []
    return Score(fields[metric], low, high, ", ".join(notes))


def _apart(first: Score, second: Score) -> bool:
    if first.low is None or first.high is None or second.low is None or second.high is None:
        return False
    return first.low > second.high or first.high < second.low
