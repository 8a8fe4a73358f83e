"""The report's probe tables, and how numbers are written.

Scores are shares (accuracy) or coefficients of determination (R²); text shows accuracies in percent and
differences in points (percent of images). A number that a metrics file holds as null is shown as a dash.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from pipeline.contracts.probe import Labels, Scores, Summary
from pipeline.views import (
    ENCODER,
    FINE_TUNED,
    FINE_TUNED_RANDOM_INIT,
    FINE_TUNED_TWIN,
    POST_HOC,
    RANDOM_INIT,
    RANDOM_INIT_LAST_BLOCKS,
    TWIN_LAST_BLOCKS,
    VIEWS,
)

Metric = Literal["accuracy", "r2"]

KIND_TITLES = {
    "accuracy": "linear probe",
    "sgd_accuracy": "linear probe as papers train it",
    "knn_accuracy": "k-NN",
    "accuracy_gaussian_noise": "under noise",
    "accuracy_gaussian_blur": "under blur",
    "accuracy_pixelate": "under pixelation",
    "accuracy_jpeg": "under JPEG compression",
}
WHOLE_NETWORKS = (FINE_TUNED, FINE_TUNED_TWIN, FINE_TUNED_RANDOM_INIT)  # no probes of features
ONLY_IN_KINDS = (
    TWIN_LAST_BLOCKS,
    RANDOM_INIT_LAST_BLOCKS,
    *POST_HOC,
)  # they would crowd the tables of labels
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
    """One label. best: the views with the highest score; gain: encoder less random_init, a share or R².

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
    """All labels of one set that have `metric`, largest gain first; views in the order of VIEWS.

    means: of the probes' scores, and of the encoder's k-NN; rankme: of each view on the test images.
    """

    metric: Metric
    views: tuple[str, ...]
    rows: tuple[Row, ...]
    means: dict[str, float]
    mean_knn: float | None
    rankme: dict[str, float | None]
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
    return VIEWS[view].title if view in VIEWS else view.replace("_", " ")


def percent(fraction: float | None) -> str:
    """0.6421 -> "64.2"."""
    return DASH if fraction is None else f"{100 * fraction:.1f}"


def score(value: float | None, metric: Metric) -> str:
    """A score as its table shows it: percent of accuracy, or R² with two decimals."""
    if metric == "accuracy" or value is None:
        return percent(value)
    return decimals(value, 2)


def interval(score: Score | None, metric: Metric) -> str:
    """The 95 % interval of a score, on one line; a dash where there is none."""
    if score is None or score.low is None or score.high is None:
        return DASH
    low, high = (
        percent(end) if metric == "accuracy" else decimals(end, 2) for end in (score.low, score.high)
    )
    return unbroken(f"{low} to {high}")


def unbroken(text: str) -> str:
    """Text that no table breaks into lines."""
    return text.replace(" ", "\N{NO-BREAK SPACE}").replace("−", "−\N{WORD JOINER}")


def points(gain: float | None, metric: Metric = "accuracy") -> str:
    """A difference of two scores with its sign; one that rounds to zero has none."""
    if gain is None:
        return DASH
    text = decimals(100 * gain, 1) if metric == "accuracy" else decimals(gain, 2)
    return text if text.startswith("−") or not float(text) else f"+{text}"


def decimals(value: float, digits: int) -> str:
    """So many digits after the point, and a proper minus sign; zero has none."""
    text = f"{value:.{digits}f}"
    return text.replace("-", "−" if float(text) else "")


def duration(minutes: float | None) -> str:
    """2.54 -> "2.5 min"; below a minute "15 s"."""
    if minutes is None:
        return DASH
    return f"{minutes:,.1f} min" if minutes >= 1 else f"{60 * minutes:.0f} s"


def number(value: float | None, digits: int = 3) -> str:
    """Whole numbers with thousands separators, others with `digits` significant digits."""
    if value is None:
        return DASH
    if float(value).is_integer() or abs(value) >= 10**digits:
        return f"{value:,.0f}"
    return f"{value:.{digits}g}"


def order_views(views: set[str]) -> tuple[str, ...]:
    """The known views first, in the order of VIEWS, then the others by name."""
    return tuple(view for view in VIEWS if view in views) + tuple(sorted(views - set(VIEWS)))


def probe_table(labels: Labels, summary: Summary | None, metric: Metric) -> ProbeTable | None:
    """The table of some labels and one metric; None where no label has this metric.

    A label with both scores is in both tables. summary: of the set, where the labels are all it has.
    """
    shown = {
        label: {view: scores for view, scores in views.items() if view not in ONLY_IN_KINDS}
        for label, views in labels.items()
    }
    rows = [row for label, views in shown.items() if (row := _row(label, views, metric)).scores]
    if not rows:
        return None
    rows.sort(key=lambda row: (row.gain is None, -(row.gain or 0.0), row.label))
    counts = sorted({labels[row.label][view].n_test or 0 for row in rows for view in row.scores} - {0})
    counted = summary if metric == "accuracy" else None
    several = counted if len(rows) > 1 else None
    means = several.mean_accuracy if several else {}
    return ProbeTable(
        metric=metric,
        views=order_views({view for row in rows for view in row.scores}),
        rows=tuple(rows),
        means={view: mean for view, mean in means.items() if mean is not None and view not in ONLY_IN_KINDS},
        mean_knn=several.mean_knn_accuracy.get(ENCODER) if several else None,
        rankme={view: counted.rankme[view] for view in order_views(set(counted.rankme))} if counted else {},
        num_test=" to ".join(f"{count:,}" for count in (counts[:1] + counts[1:][-1:])),
    )


def kinds_table(summary: Summary, robustness: bool = False) -> KindsTable | None:
    """Of a set: probes of the features as they are, or the linear probe beside those of wrong labels and
    corrupted images. None where there is one kind of probe only."""
    means = summary.means
    kinds = order_kinds(
        kind
        for kind in means
        if not kind.endswith("_sd") and (kind == "accuracy" or is_robustness(kind) == robustness)
    )
    if len(kinds) < 2:
        return None
    views = order_views({view for kind in kinds for view in means[kind]} - set(WHOLE_NETWORKS))
    cells = [
        tuple(
            None if (mean := means[kind].get(view)) is None else (mean, means.get(f"{kind}_sd", {}).get(view))
            for kind in kinds
        )
        for view in views
    ]
    return KindsTable(tuple(map(kind_title, kinds)), tuple(zip(views, cells, strict=True)))


def is_robustness(kind: str) -> bool:
    """Whether a kind of probe is of wrong labels or of corrupted images."""
    rest = kind.removeprefix("accuracy_")
    return rest != kind and not rest[0].isdigit()


def order_kinds(kinds: Iterable[str]) -> list[str]:
    """The linear probe first, then that of papers, few labels, k-NN, wrong labels and corrupted images."""
    return sorted(
        kinds,
        key=lambda kind: (
            is_robustness(kind),
            kind == "knn_accuracy",
            kind.startswith("accuracy_"),
            kind != "accuracy",
        ),
    )


def kind_title(kind: str) -> str:
    """The words for a kind of probe: accuracy_1pct is "1 % of the labels", accuracy_noise60pct is
    "60 % wrong labels", accuracy_contrast is "under contrast"."""
    if kind in KIND_TITLES:
        return KIND_TITLES[kind]
    share = kind.removeprefix("accuracy_").removesuffix("pct").replace("_", ".")
    if share.startswith("noise"):
        return f"{share.removeprefix('noise')} % wrong labels"
    return f"under {share.replace('.', ' ')}" if is_robustness(kind) else f"{share} % of the labels"


def _row(label: str, views: dict[str, Scores], metric: Metric) -> Row:
    scores = {
        view: _score(probe, value, metric)
        for view, probe in views.items()
        if (value := probe.accuracy if metric == "accuracy" else probe.r2) is not None
    }
    encoder, start = scores.get(ENCODER), scores.get(RANDOM_INIT)
    highest = max((score.value for score in scores.values()), default=0.0) if encoder else None
    return Row(
        label=label,
        scores=scores,
        best=tuple(view for view, score in scores.items() if score.value == highest),
        gain=encoder.value - start.value if encoder and start else None,
        clear=encoder is not None and start is not None and _apart(encoder, start),
        knn_accuracy=views[ENCODER].knn_accuracy if ENCODER in views else None,
    )


def _score(probe: Scores, value: float, metric: Metric) -> Score:
    if metric == "r2" and probe.accuracy is not None:  # a count has both, each with an interval
        low, high, l2 = probe.r2_ci95_low, probe.r2_ci95_high, probe.r2_l2
    else:
        low, high, l2 = probe.ci95_low, probe.ci95_high, probe.l2
    facts = [(l2, "l2 {:g}"), (probe.n_train, "{:,} train"), (probe.n_test, "{:,} test")]
    notes = [text.format(fact) for fact, text in facts if fact is not None]
    notes += ["not converged"] if probe.converged is False else []
    return Score(value, low, high, ", ".join(notes))


def _apart(first: Score, second: Score) -> bool:
    if first.low is None or first.high is None or second.low is None or second.high is None:
        return False
    return first.low > second.high or first.high < second.low
