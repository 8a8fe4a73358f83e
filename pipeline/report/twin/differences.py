"""How far this run lies above its dense twin in every probe, from probe.json."""

from dataclasses import dataclass

from pipeline.contracts.probe import Labels, Scores, Summary
from pipeline.report.tables import Metric, is_robustness, kind_title, order_kinds
from pipeline.views import ENCODER

LOW_LEVEL = ("count", "distance_bucket", "distance", "count_all", "closest_object_distance")  # the paper's


@dataclass(frozen=True)
class PairedDifference:
    """The encoder less its dense twin on the same test images, a share or R².

    name: of a label or of a kind of probe. low, high: its 95 % interval over these images, None where there
    is none. num_test: how many they are.
    """

    name: str
    value: float
    low: float | None
    high: float | None
    num_test: int
    metric: Metric = "accuracy"

    @property
    def words(self) -> str:
        """The name in words."""
        return self.name.replace("_", " ") + (", R²" if self.metric == "r2" else "")

    @property
    def shown(self) -> float:
        """The difference as printed: points of accuracy, or R²."""
        return round(100 * self.value, 1) if self.metric == "accuracy" else round(self.value, 2)

    @property
    def clear(self) -> bool:
        """Whether the interval is clear of 0. A difference that is printed as 0 is none."""
        if self.low is None or self.high is None or self.shown == 0:
            return False
        return self.low > 0 or self.high < 0


@dataclass(frozen=True)
class Differences:
    """Those of one set. means: over labels, one of each kind of probe; robustness: the same, of wrong labels
    and of corrupted images; others: linear probes of one label.

    labels: how many are in the means. low_level: counts and distances, the low-level tasks of the paper.
    """

    labels: int
    means: tuple[PairedDifference, ...]
    low_level: tuple[PairedDifference, ...]
    others: tuple[PairedDifference, ...]
    robustness: tuple[PairedDifference, ...] = ()

    @property
    def linear_probe(self) -> PairedDifference | None:
        """The mean over labels; None where no label has classes."""
        return next((mean for mean in self.means if mean.name == kind_title("accuracy")), None)

    @property
    def blocks(self) -> dict[str, tuple[PairedDifference, ...]]:
        """Heading -> its rows, for the chart and the table; a set of one label has the first block alone."""
        if self.labels == 1 and len(self.low_level + self.others) == 1:
            blocks = {"accuracy": self.means, "robustness": self.robustness}
            return {heading: rows for heading, rows in blocks.items() if rows}
        blocks = {
            f"mean over {self.labels} labels": self.means,
            "count and distance": self.low_level,
            "other labels": self.others,
            "robustness": self.robustness,
        }
        return {heading: rows for heading, rows in blocks.items() if rows}


def differences(labels: Labels, summary: Summary) -> Differences | None:
    """Of one set; labels: those of whole images. None where no twin was probed."""
    single = [
        difference
        for label, views in labels.items()
        if ENCODER in views and (difference := _of_label(label, views[ENCODER]))
    ]
    single.sort(key=lambda difference: -difference.value)
    paired = summary.less_twin or {}
    means = {
        kind: PairedDifference(
            kind_title(kind), mean, paired[kind].ci95_low, paired[kind].ci95_high, paired[kind].n_test
        )
        for kind in order_kinds(paired)
        if (mean := paired[kind].mean) is not None
    }
    if not single and not means:
        return None
    return Differences(
        labels=summary.labels,
        means=tuple(mean for kind, mean in means.items() if not is_robustness(kind)),
        robustness=tuple(mean for kind, mean in means.items() if is_robustness(kind)),
        low_level=tuple(difference for difference in single if difference.name in LOW_LEVEL),
        others=tuple(difference for difference in single if difference.name not in LOW_LEVEL),
    )


def _of_label(label: str, scores: Scores) -> PairedDifference | None:
    if scores.less_twin is None:
        return None
    return PairedDifference(
        name=label,
        value=scores.less_twin,
        low=scores.less_twin_ci95_low,
        high=scores.less_twin_ci95_high,
        num_test=scores.n_test or 0,
        metric="accuracy" if scores.accuracy is not None else "r2",
    )
