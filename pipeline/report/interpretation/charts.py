"""The charts of what groups stand for, in the look of pipeline.report.figures; SVG text.

Legend: factors x groups; codes: features in a partition, such as the run's groups or k-means groups.
"""

from collections.abc import Mapping, Sequence

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import PatchCollection
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from pipeline.contracts.interpret import Scores
from pipeline.report.figures import LIGHT, PAGE_INCH, style, svg_text

LINE_COLOURS = ("encoder", "pixels", "third", "fourth", "fifth", "random", "ink")


def matrix_chart(
    matrices: Mapping[str, np.ndarray],
    factors: Sequence[str],
    salt: str,
    largest: float,
    colour: str = "encoder",
) -> str:
    """Factors x groups of every code side by side; the darker, the larger, blank at or below 0. largest: the
    number that is shown in full colour, as all above it.

    Groups are in the order of the factor that each tells best.
    """
    height = 0.19 * len(factors) + 0.75
    with matplotlib.rc_context(style(salt)):
        figure = Figure(figsize=(760 / PAGE_INCH, height), layout="constrained")
        widths = [max(matrix.shape[1], 4) for matrix in matrices.values()]
        panels = figure.subplots(1, len(matrices), sharey=True, width_ratios=widths, squeeze=False)[0]
        for axes, (name, matrix) in zip(panels, matrices.items(), strict=True):
            best = matrix.argmax(0)
            order = np.lexsort((-matrix.max(0), best))
            _cells(axes, np.minimum(matrix[:, order] / (largest or 1.0), 1), colour)
            axes.set_title(name, loc="left", fontsize=8.5, color=LIGHT["ink"])
            axes.set_xticks([])
            axes.set_xlabel(f"{matrix.shape[1]} groups")
            axes.set_yticks(np.arange(len(factors)) + 0.5, [factor.replace("_", " ") for factor in factors])
            axes.tick_params(axis="y", labelcolor=LIGHT["ink"])
        return svg_text(figure)


def _cells(axes: Axes, shares: np.ndarray, colour: str) -> None:
    rows, columns = np.nonzero(shares > 0)
    cells = [Rectangle((float(column), float(row)), 1, 1) for row, column in zip(rows, columns, strict=True)]
    colours = [(*to_rgb(LIGHT[colour]), float(alpha)) for alpha in shares[rows, columns]]
    axes.add_collection(PatchCollection(cells, facecolors=colours, linewidths=0))
    axes.set_xlim(0, shares.shape[1])
    axes.set_ylim(shares.shape[0], 0)
    axes.grid(visible=False)
    for edge in axes.spines.values():
        edge.set_visible(True)


def information_chart(codes: Mapping[str, Scores], salt: str) -> str:
    """TC between the groups and within them, stacked, of every code; the bracket is where 95 % of random
    partitions of the same sizes leave TC(G), the whisker the interval of the total."""
    height = 0.3 * len(codes) + 0.8
    with matplotlib.rc_context(style(salt)):
        figure = Figure(figsize=(620 / PAGE_INCH, height), layout="constrained")
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
        figure.legend(loc="outside upper left", ncols=3, handlelength=1.2, columnspacing=1.2, borderpad=0)
        return svg_text(figure)


def probing_chart(
    curves: Mapping[str, Sequence[float | None]], ticks: Sequence[str], salt: str, twin: str
) -> str:
    """Mean R^2 over the factors from the k best units of each code.

    twin: the name of the dense twin's curve, thin and hollow, in the colour of the run.
    """
    with matplotlib.rc_context(style(salt)):
        figure = Figure(figsize=(620 / PAGE_INCH, 3.1), layout="constrained")
        axes = figure.add_subplot()
        others = [name for name in curves if name != twin]
        for name, values in curves.items():
            at = 0 if name == twin else others.index(name)
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
        axes.set_xlabel("units used: the best k for each factor")
        axes.set_ylabel("R² on test images")
        axes.spines["left"].set_visible(False)
        figure.legend(loc="outside right upper", fontsize=8, labelcolor=LIGHT["ink"])
        return svg_text(figure)
