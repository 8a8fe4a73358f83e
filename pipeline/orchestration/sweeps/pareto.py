"""The trade between accuracy and sparsity, in the report's own style."""

from typing import Any

import matplotlib
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from pipeline.orchestration.sweeps.cells import AXES
from pipeline.orchestration.sweeps.results import Setting
from pipeline.report.figures import LIGHT, PAGE_INCH, STYLE, svg_text

COLOURS = ("encoder", "pixels", "third", "fourth", "fifth", "random")
LAMBDA, GROUPS = AXES["lambda"], AXES["groups"]


def pareto_chart(found: list[Setting], front: list[Setting], salt: str) -> str | None:
    """Mean accuracy (%) against mean share of columns of W that are exactly zero (%), a dot per setting with
    its standard deviations over seeds; the line joins `front`. None where no setting has both numbers."""
    known = [one for one in found if one.mean["accuracy"] is not None and one.mean["zero_share"] is not None]
    if not known:
        return None
    families = list(dict.fromkeys(one.swept.get(GROUPS) for one in known))
    style: dict[Any, Any] = STYLE | {"svg.hashsalt": salt}
    with matplotlib.rc_context(style):
        figure = Figure(figsize=(450 / PAGE_INCH, 280 / PAGE_INCH), layout="constrained")
        axes = figure.add_subplot()
        axes.step(
            [_percent(one.mean["zero_share"]) for one in front],
            [_percent(one.mean["accuracy"]) for one in front],
            where="pre",
            color=LIGHT["muted"],
            linewidth=1,
            zorder=1,
        )
        for at, family in enumerate(families):
            members = [one for one in known if one.swept.get(GROUPS) == family]
            axes.errorbar(
                [_percent(one.mean["zero_share"]) for one in members],
                [_percent(one.mean["accuracy"]) for one in members],
                xerr=[_percent(one.spread["zero_share"]) for one in members],
                yerr=[_percent(one.spread["accuracy"]) for one in members],
                fmt="o",
                markersize=5,
                elinewidth=1.2,
                color=LIGHT[COLOURS[at % len(COLOURS)]],
                label=None if family is None else f"{family} groups",
            )
        for one in known:
            if LAMBDA in one.swept:
                place = (_percent(one.mean["zero_share"]), _percent(one.mean["accuracy"]))
                axes.annotate(
                    f"{one.swept[LAMBDA]:g}",
                    place,
                    xytext=(5, 4),
                    textcoords="offset points",
                    color=LIGHT["muted"],
                    fontsize=8,
                )
        axes.set_xlabel("columns of W that are exactly zero, %")
        axes.set_ylabel("mean accuracy, %")
        axes.margins(0.1)
        axes.xaxis.set_major_locator(MaxNLocator(6))
        axes.yaxis.set_major_locator(MaxNLocator(5))
        axes.spines["left"].set_visible(False)
        if len(families) > 1:
            figure.legend(loc="outside upper left", ncols=len(families), handletextpad=0.3, borderpad=0)
        return svg_text(figure)


def _percent(fraction: float | None) -> float:
    return 100 * (fraction or 0.0)
