"""What the method changed, in words: the verdict's first sentence, and short answers beside the first figure.

A difference counts as gained or lost where its interval is clear of 0, and as none to be seen elsewhere.
"""

from collections.abc import Iterable, Sequence

from pipeline.contracts.interpret import Scores
from pipeline.contracts.probe import Summary
from pipeline.report.interpretation.words import CHANCE, MEANING, Cell, cell
from pipeline.report.tables import decimals, percent, points
from pipeline.report.twin.differences import Differences, PairedDifference
from pipeline.views import ENCODER, TWIN

Answers = tuple[tuple[str, str], ...]
ROWS = (  # of the table of groups: number, words, digits
    ("dci_disentanglement", "disentanglement (DCI)", 3),
    ("dci_completeness", "completeness (DCI)", 3),
    ("modularity", "modularity", 2),
    ("mig", "gap of the two best groups (MIG)", 3),
    ("ablation_selectivity", "losing a group hurts one factor alone (selectivity)", 3),
    ("tc_between", "TC(G), nats: what groups share", 1),
)
SAME_RUN = "This run has no sparsity: it and its dense twin are the same run."


def lead(differences: Differences, summary: Summary, subject: str) -> str:
    """The first sentence of the verdict: how much `subject`, such as "Independent groups", changed."""
    mean = differences.linear_probe
    if mean is None:
        return (
            f"{subject} beside the dense twin, I-JEPA with the same seed and batches: {_count(differences)}"
        )
    run, twin = (percent(summary.mean_accuracy.get(view)) for view in (ENCODER, TWIN))
    reads = (
        f"a linear probe reads {run} %; in the dense twin, I-JEPA with the same seed and batches, {twin} %"
    )
    if mean.clear:
        verb = "gained" if mean.value > 0 else "lost"
        return f"{subject} {verb} {_size(mean)} (95 % interval {_ends(mean)}): {reads}."
    chance = f"{subject} made no difference that {mean.num_test:,} test images can show"
    return f"{chance} ({signed(mean)} points{_interval(mean)}): {reads}."


def one_label(differences: Differences) -> str:
    """A sentence where one label makes more than half of a gain in the mean; empty elsewhere."""
    mean = differences.linear_probe
    labels = [it for it in _labels(differences) if it.metric == "accuracy"]
    if mean is None or not (mean.clear and mean.value > 0) or len(labels) < 2:
        return ""
    largest = max(labels, key=lambda it: it.value)
    share = largest.value / (differences.labels * mean.value)
    if share < 0.5:
        return ""
    rest = (differences.labels * mean.value - largest.value) / (differences.labels - 1)
    return (
        f" One label, {_label(largest)}, makes {100 * share:.0f} % of the gain in the mean: without it the "
        f"mean difference is {points(rest)}."
    )


def answers(differences: Differences, run: Scores | None, twin: Scores | None) -> Answers:
    """Question and answer. run, twin: numbers of their groups, of the set that was interpreted."""
    said = [
        ("Other probes", told([mean for mean in differences.means if mean is not differences.linear_probe])),
        ("Count and distance", told(differences.low_level)),
        ("Labels one by one", _capital(_count(differences)) if len(_labels(differences)) > 1 else ""),
        ("Robustness", told(differences.robustness)),
    ]
    if run is not None and twin is not None:
        said += [
            ("Interpretability", _interpretability(run, twin)),
            ("Total correlation", _shared(run, twin)),
        ]
    return tuple((question, answer) for question, answer in said if answer)


def told(differences: Sequence[PairedDifference]) -> str:
    """Which gained, which lost, and which show nothing, each with its interval."""
    gained, lost, level = _sorted(differences)
    parts = []
    for verb, some in (("Gained", gained), ("Lost", lost)):
        if some:
            parts.append(f"{verb}: {', '.join(f'{_label(it)} {_size(it)} ({_ends(it)})' for it in some)}.")
    if level:
        images = max(it.num_test for it in level)
        shown = ", ".join(f"{it.words} {signed(it)}{_interval(it, short=True)}" for it in level)
        parts.append(f"No difference that {images:,} test images can show: {shown}.")
    return " ".join(parts)


def group_rows(run: Scores, twin: Scores) -> list[tuple[str, list[Cell]]]:
    """The table of groups: words, then the numbers of this run and of the twin; rows with a number alone."""
    return [
        (words, [cell(scores, metric, digits) for scores in (run, twin)])
        for metric, words, digits in ROWS
        if run.value(metric) is not None or twin.value(metric) is not None
    ]


def signed(difference: PairedDifference) -> str:
    """The difference with its sign: points of accuracy, or R²."""
    return points(difference.value, difference.metric)


def ends(difference: PairedDifference) -> str:
    """The interval with its signs; empty where there is none."""
    if difference.low is None or difference.high is None:
        return ""
    return f"{points(difference.low, difference.metric)} to {points(difference.high, difference.metric)}"


def _sorted(differences: Iterable[PairedDifference]) -> tuple[list[PairedDifference], ...]:
    """Gained, lost, and neither."""
    clear: dict[bool, list[PairedDifference]] = {True: [], False: []}
    level: list[PairedDifference] = []
    for difference in differences:
        (clear[difference.value > 0] if difference.clear else level).append(difference)
    return clear[True], clear[False], level


def _labels(differences: Differences) -> tuple[PairedDifference, ...]:
    return differences.low_level + differences.others


def _count(differences: Differences) -> str:
    labels = _labels(differences)
    gained, lost, level = _sorted(labels)
    names = f" ({', '.join(it.words for it in lost)})" if lost else ""
    show = "shows" if len(level) == 1 else "show"
    return (
        f"of {len(labels)} labels {len(gained) or 'none'} gained, {len(lost) or 'none'} lost{names} "
        f"and {len(level) or 'none'} {show} no difference."
    )


def _label(difference: PairedDifference) -> str:
    return difference.name.replace("_", " ")


def _capital(sentence: str) -> str:
    return sentence[:1].upper() + sentence[1:]


def _size(difference: PairedDifference) -> str:
    if difference.metric == "r2":
        return f"{decimals(abs(difference.shown), 2)} of R²"
    return f"{decimals(abs(difference.shown), 1)} points"


def _ends(difference: PairedDifference) -> str:
    """The interval of a gain or of a loss, as amounts."""
    low, high = difference.low or 0.0, difference.high or 0.0
    if difference.value < 0:
        low, high = -high, -low
    scale, digits = (100, 1) if difference.metric == "accuracy" else (1, 2)
    return f"{decimals(scale * low, digits)} to {decimals(scale * high, digits)}"


def _interval(difference: PairedDifference, short: bool = False) -> str:
    if not ends(difference):
        return ""
    return f" ({ends(difference)})" if short else f", 95 % interval {ends(difference)}"


def _interpretability(run: Scores, twin: Scores) -> str:
    """In how many numbers the groups stand clear of random groups, above and below, in both runs; and how
    many are larger in themselves. A z rises too where random groups lose."""
    zs = [[scores.z(metric) for metric in MEANING] for scores in (run, twin)]
    if all(z is None for of_run in zs for z in of_run):
        return ""
    more = [sum(z is not None and z > CHANCE for z in of_run) for of_run in zs]
    less = [sum(z is not None and z < -CHANCE for z in of_run) for of_run in zs]
    larger = sum((run.value(metric) or 0) > (twin.value(metric) or 0) for metric in MEANING)
    return (
        f"The groups mean more than random groups (z above {CHANCE:g}) in {more[0]} of {len(MEANING)} "
        f"numbers and less (z below \N{MINUS SIGN}{CHANCE:g}) in {less[0]}; "
        f"the same groups of the twin's features mean more in {more[1]} and less in {less[1]}. "
        f"In themselves {larger} of these numbers are larger than the twin's."
    )


def _shared(run: Scores, twin: Scores) -> str:
    """What the groups share, in nats."""
    if run.tc_between is None or twin.tc_between is None:
        return ""
    nats, of_twin = decimals(run.tc_between, 1), decimals(twin.tc_between, 1)
    return (
        f"The groups share {nats} nats, TC(G){_nats(run, ' (95 % interval ')}; "
        f"the same groups of the twin's features share {of_twin}{_nats(twin, ' (')}."
    )


def _nats(scores: Scores, opening: str) -> str:
    """The interval of TC(G) in brackets; empty where there is none."""
    low, high = scores.tc_between_ci95_low, scores.tc_between_ci95_high
    return "" if low is None or high is None else f"{opening}{decimals(low, 1)} to {decimals(high, 1)})"
