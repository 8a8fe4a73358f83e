"""The page's first words: an abstract of three sentences, and each comparison with its verdict."""

from collections.abc import Iterable
from typing import NamedTuple

from pipeline.contracts.prepare import PreparedSet
from pipeline.contracts.pretrain import Pretrain
from pipeline.contracts.probe import Difference, Summary
from pipeline.report.tables import is_robustness, kind_title, number, order_kinds, points
from pipeline.report.words import METHODS, Verdict
from pipeline.views import BASELINES, PIXELS_PCA, RANDOM_INIT

SHORT = {RANDOM_INIT: "its initialisation", PIXELS_PCA: "pixels + PCA"}
AGAINST = {None: "dense twin", RANDOM_INIT: "initialisation", PIXELS_PCA: "pixels + PCA"}


class Finding(NamedTuple):
    """How this run's probe does beside another's, and what its paired interval lets one say."""

    probe: str
    against: str
    difference: str
    interval: str
    num_test: str
    verdict: str


def abstract(
    name: str, prepared: PreparedSet, run: Pretrain, summary: Summary, verdict: Verdict
) -> list[str]:
    """What ran; what the method changed; how that stands beside the baselines. A verdict that is bad, or that
    has no twin to speak of, is told whole instead of the last two."""
    method = run.sparsity.method
    module = "" if method == "none" else f" with {METHODS.get(method, method)}"
    weights = f"{sum(run.parameters.values()):,} weights"
    ran = (
        f"One run of I-JEPA{module} ({weights}, seed {run.seed}) trained for {number(run.steps)} steps on "
        f"{prepared.train:,} images of {name} without labels, and is scored on {prepared.test:,} others."
    )
    if verdict.tone == "bad" or not verdict.lead:
        return [sentence for sentence in (ran, verdict.text) if sentence]
    return [ran, verdict.lead, *_beside_baselines(summary)]


def _beside_baselines(summary: Summary) -> list[str]:
    """Linear probe and k-NN beside both baselines, in one sentence: the weakest comparison is among them."""
    parts = [
        f"beside {SHORT[view]} it reads {said}" for view in BASELINES if (said := _differences(summary, view))
    ]
    if not parts:
        return []
    text = "; ".join(parts)
    return [f"{text[0].upper()}{text[1:]} (points, 95 % intervals over test images)."]


def _differences(summary: Summary, view: str) -> str:
    kinds = {"accuracy": "by linear probe", "knn_accuracy": "by k-NN"}
    found = summary.less_baselines.get(view, {})
    return " and ".join(
        f"{points(it.mean)} {words} ({points(it.ci95_low)} to {points(it.ci95_high)})"
        for kind, words in kinds.items()
        if (it := found.get(kind)) is not None
    )


def findings(summary: Summary) -> list[Finding]:
    """The linear probe and k-NN beside twin, initialisation and pixels; then few labels beside the twin."""
    twin = summary.less_twin or {}
    few = [
        kind
        for kind in order_kinds(twin)
        if kind.removeprefix("accuracy_")[:1].isdigit() and not is_robustness(kind)
    ]
    rows: list[Finding] = []
    for kind in ("accuracy", "knn_accuracy"):
        rows += _rows(
            kind,
            ((view, summary.less_baselines.get(view, {}) if view else twin) for view in (None, *BASELINES)),
        )
    for kind in few:
        rows += _rows(kind, [(None, twin)])
    return rows


def _rows(kind: str, compared: Iterable[tuple[str | None, dict[str, Difference]]]) -> list[Finding]:
    return [
        Finding(
            kind_title(kind),
            AGAINST[view],
            points(it.mean),
            f"{points(it.ci95_low)} to {points(it.ci95_high)}",
            f"{it.n_test:,}",
            outcome(it),
        )
        for view, differences in compared
        if (it := differences.get(kind)) is not None
    ]


def outcome(difference: Difference) -> str:
    """better or worse where the paired interval is clear of 0, no difference seen elsewhere."""
    low, high = difference.ci95_low or 0.0, difference.ci95_high or 0.0
    return "better" if low > 0 else "worse" if high < 0 else "no difference seen"
