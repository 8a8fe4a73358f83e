"""What the first section shows of one set: the lead, the first figure, short answers and two tables."""

import re
from dataclasses import dataclass

from pipeline.contracts.interpret import Scores
from pipeline.contracts.probe import Labels, Summary
from pipeline.params import Params
from pipeline.params.registry import OI_VAES
from pipeline.report.figures import Chart
from pipeline.report.interpretation.words import Cell
from pipeline.report.twin import words
from pipeline.report.twin.chart import difference_chart
from pipeline.report.twin.differences import PairedDifference, differences
from pipeline.report.words import METHODS


@dataclass(frozen=True)
class Section:
    """linear_probe: the mean over labels, where they have classes.

    answers: question and answer. groups: words, then the numbers of this run and of the twin. table: words,
    difference, interval, whether it is clear of 0.
    """

    lead: str
    linear_probe: PairedDifference | None
    chart: Chart
    note: str
    answers: words.Answers
    groups: list[tuple[str, list[Cell]]]
    table: list[tuple[str, str, str, bool]]

    @property
    def gained(self) -> bool:
        """Whether the linear probe lies clear above that of the twin."""
        return self.linear_probe is not None and self.linear_probe.clear and self.linear_probe.value > 0


def figure_file(name: str) -> str:
    """The file in figures/ of the first figure of a set."""
    return f"less_twin_{re.sub(r'[^a-zA-Z0-9]+', '_', name)}.svg"


def subject(params: Params) -> str | None:
    """What tells the run from its dense twin, as a sentence begins; None where nothing does."""
    method = params.sparsity.method
    module = METHODS.get(method, method)
    parts = [
        "independent groups" if params.regularizer.name == "independent_groups" else "",
        "" if method == "none" else f"the {module}" if method in OI_VAES else module,
    ]
    said = " and ".join(filter(None, parts))
    return said[0].upper() + said[1:] if said else None


def control(params: Params) -> str:
    """A sentence on the run that tells zeros from the module; empty where this run has none."""
    if params.sparsity.method not in OI_VAES or params.sparsity.lambda_ == 0:
        return ""
    return " Another run, with sparsity.lambda=0, tells what zeros add by themselves."


def compose(
    name: str,
    labels: Labels,
    summary: Summary,
    params: Params,
    run: Scores | None = None,
    twin: Scores | None = None,
) -> Section | None:
    """Of one set; labels: those of whole images. run, twin: numbers of their groups, where the set was
    interpreted. None where no twin was probed, and where nothing tells it from the run."""
    paired, what = differences(labels, summary), subject(params)
    if paired is None or what is None:
        return None
    file = figure_file(name)
    rows = [difference for block in paired.blocks.values() for difference in block]
    images = max(difference.num_test for difference in rows)
    hundredths = " (R² in hundredths)" if any(difference.metric == "r2" for difference in rows) else ""
    return Section(
        lead=words.lead(paired, summary, what),
        linear_probe=paired.linear_probe,
        chart=difference_chart(paired.blocks, file, f"This run less its dense twin on {name}, points"),
        note=(
            f"This run less its dense twin, in points of test accuracy{hundredths}, with 95 % intervals. "
            "Blue: clear of 0. Grey: it may be chance. A triangle: farther than the axis goes. A row of a "
            f"label is its linear probe. The intervals cover the choice of the {images:,} test images, not "
            f"other seeds of pretraining.{words.one_label(paired)}{control(params)}"
        ),
        answers=words.answers(paired, run, twin),
        groups=words.group_rows(run, twin) if run is not None and twin is not None else [],
        table=[
            (difference.words, words.signed(difference), words.ends(difference), difference.clear)
            for difference in rows
        ],
    )
