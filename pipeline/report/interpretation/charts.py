"""The charts of what groups stand for, in the look of pipeline.report.figures; SVG text.

Legend: factors x groups; codes: features in a partition, such as the run's groups or k-means groups.
"""

from collections.abc import Mapping, Sequence

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from pipeline.contracts.interpret import Scores
from pipeline.report.figures import LIGHT, PAGE_INCH, draw_cells, draw_scale, style, svg_text
from pipeline.report.interpretation.words import ACTIVE
from pipeline.views import ENCODER, TWIN

WIDE = 680  # what needs a long legend; a phone scrolls it
WIDTH = 345  # SVG units: a phone shows it whole
LINE_COLOURS = ("encoder", "pixels", "third", "fourth", "fifth", "random", "ink")


def matrix_chart(
    matrix: np.ndarray, factors: Sequence[str], name: str, salt: str, largest: float, colour: str = "encoder"
) -> str:
    """Factors x groups of one code, groups by their numbers; the larger, the stronger the colour.

    largest: the number that is shown in full colour, as all above it. name: of the code, the heading.
    """
    groups = matrix.shape[1]
    height = 0.2 * len(factors) + 1.1
    with matplotlib.rc_context(style(salt)):
        figure = Figure(figsize=(WIDTH / PAGE_INCH, height), layout="constrained")
        bar, axes = figure.subplots(2, height_ratios=[0.12, height - 0.8])
        draw_scale(bar, colour, largest)
        bar.set_title(name, loc="left", fontsize=11, color=LIGHT["ink"])
        draw_cells(axes, np.clip(matrix / (largest or 1.0), 0, 1), colour)
        for edge in axes.spines.values():
            edge.set_visible(True)
        every = max(-(-groups // 8), 1)
        axes.set_xticks(np.arange(0, groups, every) + 0.5, [str(group) for group in range(0, groups, every)])
        axes.set_xlabel("group")
        axes.set_yticks(np.arange(len(factors)) + 0.5, [_short(factor) for factor in factors])
        axes.tick_params(axis="y", labelcolor=LIGHT["ink"])
        return svg_text(figure)


def _short(factor: str, longest: int = 22) -> str:
    words = factor.replace("_", " ")
    return words if len(words) <= longest else words[: longest - 1] + "…"


def information_chart(codes: Mapping[str, Scores], salt: str) -> str:
    """TC between the groups and within them, stacked, of every code; the bracket is where 95 % of random
    partitions of the same sizes leave TC(G), the whisker the interval of the total."""
    height = 0.3 * len(codes) + 0.8
    with matplotlib.rc_context(style(salt)):
        figure = Figure(figsize=(WIDE / PAGE_INCH, height + 0.5), layout="constrained")
        axes = figure.add_subplot()
        places = np.arange(len(codes))
        between = np.array([scores.tc_between for scores in codes.values()], dtype=float)
        within = np.array([scores.tc_within for scores in codes.values()], dtype=float)
        axes.barh(places, between, height=0.55, color=LIGHT["encoder"], label="between groups, TC(G)")
        axes.barh(places, within, 0.55, left=between, color=LIGHT["third"], label="within groups")
        for place, scores in zip(places, codes.values(), strict=True):
            low, high = (scores.value(f"tc_between_null_{end}") for end in ("low", "high"))
            if low is not None and high is not None and high > low:
                axes.plot([low, high], [place + 0.4] * 2, color=LIGHT["ink"], linewidth=2.2, clip_on=False)
            if scores.tc_ci95_low is not None and scores.tc_ci95_high is not None:
                ends = [scores.tc_ci95_low, scores.tc_ci95_high]
                axes.plot(ends, [place] * 2, color=LIGHT["ink"], linewidth=1)
        axes.plot([], [], color=LIGHT["ink"], linewidth=2.2, label="TC(G) of random groups, 95 %")
        axes.set_yticks(places, list(codes))
        axes.tick_params(axis="y", labelcolor=LIGHT["ink"])
        axes.set_ylim(len(codes) - 0.4, -0.6)
        axes.set_xlabel("total correlation, nats")
        axes.grid(visible=False, axis="y")
        axes.spines["left"].set_visible(False)
        figure.legend(loc="outside upper left", ncols=2, handlelength=1.2, columnspacing=1.2, borderpad=0)
        return svg_text(figure)


def probing_chart(
    curves: Mapping[str, Sequence[float | None]], ticks: Sequence[str], salt: str, twin: str
) -> str:
    """Mean R^2 over the factors from the k best units of each code.

    twin: the name of the dense twin's curve, thin and hollow, in the colour of the run.
    """
    with matplotlib.rc_context(style(salt)):
        figure = Figure(figsize=(WIDE / PAGE_INCH, 3.4), layout="constrained")
        axes = figure.add_subplot()
        _curves(axes, curves, ticks, twin, next(iter(curves)))
        axes.set_xlabel("units used: the best k for each factor")
        axes.set_ylabel("R² on test images")
        figure.legend(loc="outside right upper", fontsize=11, labelcolor=LIGHT["ink"])
        return svg_text(figure)


def active_chart(active: pd.DataFrame, salt: str) -> str:
    """Accuracy of both probes against the number of active units, from the table `active`."""
    units = sorted(active["units"].unique())
    panels = {"accuracy": "linear probe", "nearest": "nearest neighbour"}
    with matplotlib.rc_context(style(salt)):
        figure = Figure(figsize=(WIDE / PAGE_INCH, 3.4), layout="constrained")
        for axes, (column, name) in zip(figure.subplots(1, 2, sharey=True), panels.items(), strict=True):
            table = 100 * active.pivot(index="code", columns="units", values=column)[units]
            codes = [code for code in ACTIVE if code in table.index]
            curves = {ACTIVE[code]: table.loc[code].tolist() for code in codes}
            _curves(axes, curves, [str(k) for k in units], ACTIVE[TWIN], ACTIVE[ENCODER])
            axes.set_title(name, loc="left", fontsize=11, color=LIGHT["ink"])
            axes.set_xlabel("active units of an image")
        figure.axes[0].set_ylabel("accuracy, %")
        handles, labels = figure.axes[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside right upper", fontsize=11, labelcolor=LIGHT["ink"])
        return svg_text(figure)


def _curves(
    axes: Axes,
    curves: Mapping[str, Sequence[float | None]],
    ticks: Sequence[str],
    twin: str,
    run: str,
) -> None:
    """A line of each code over equal steps. The dense twin's is thin and hollow, in the colour of the run."""
    others = [name for name in curves if name != twin]
    for name, values in curves.items():
        at = others.index(run if name == twin else name)
        colour = LIGHT[LINE_COLOURS[at % len(LINE_COLOURS)]]
        axes.plot(
            range(len(values)),
            np.array(values, dtype=float),
            marker="o",
            ms=4,
            mfc=LIGHT["ground"] if name == twin else colour,
            color=colour,
            linewidth=0.8 if name == twin else 1.6,
            linestyle=(0, (4, 3)) if at >= len(LINE_COLOURS) else "-",
            label=name,
        )
    axes.set_xticks(range(len(ticks)), ticks)
    axes.spines["left"].set_visible(False)
