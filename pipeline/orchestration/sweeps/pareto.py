"""The trade between accuracy and sparsity, in the report's own style."""

from typing import Any

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from pipeline.orchestration.sweeps.grid import AXES, shown
from pipeline.orchestration.sweeps.results import Setting
from pipeline.report.figures import LIGHT, PAGE_INCH, STYLE, svg_text

COLOURS = ("encoder", "pixels", "third", "fourth", "fifth", "random")
GROUPS = AXES["groups"]


def pareto_chart(
    settings: list[Setting], front: list[Setting], twins: list[Setting], salt: str
) -> str | None:
    """Mean accuracy (%) against mean share of columns of W that are exactly zero (%), a dot per setting with
    its standard deviations over seeds; the line joins `front`. A twin is a diamond with a thin line across.
    None where no setting has both numbers."""
    known = [
        setting
        for setting in settings
        if setting.mean["accuracy"] is not None and setting.mean["zero_share"] is not None
    ]
    if not known:
        return None
    families = list(dict.fromkeys(setting.swept.get(GROUPS) for setting in known))
    style: dict[Any, Any] = STYLE | {"svg.hashsalt": salt}
    with matplotlib.rc_context(style):
        figure = Figure(figsize=(450 / PAGE_INCH, 280 / PAGE_INCH), layout="constrained")
        axes = figure.add_subplot()
        axes.step(
            [_percent(setting.mean["zero_share"]) for setting in front],
            [_percent(setting.mean["accuracy"]) for setting in front],
            where="pre",
            color=LIGHT["muted"],
            linewidth=1,
            zorder=1,
        )
        for at, family in enumerate(families):
            members = [setting for setting in known if setting.swept.get(GROUPS) == family]
            axes.errorbar(
                [_percent(setting.mean["zero_share"]) for setting in members],
                [_percent(setting.mean["accuracy"]) for setting in members],
                xerr=[_percent(setting.spread["zero_share"]) for setting in members],
                yerr=[_percent(setting.spread["accuracy"]) for setting in members],
                fmt="o",
                markersize=5,
                elinewidth=1.2,
                color=LIGHT[COLOURS[at % len(COLOURS)]],
                label=None if family is None else f"{family} groups",
            )
        for setting in known:
            marks = [shown(value) for path, value in setting.swept.items() if path != GROUPS]
            place = (_percent(setting.mean["zero_share"]), _percent(setting.mean["accuracy"]))
            axes.annotate(
                ", ".join(marks),
                place,
                xytext=(5, 4),
                textcoords="offset points",
                color=LIGHT["muted"],
                fontsize=8,
            )
        for twin in twins:
            _draw_twin(axes, twin, label="dense twin" if twin is twins[0] else None)
        axes.set_xlabel("columns of W that are exactly zero, %")
        axes.set_ylabel("mean accuracy, %")
        axes.margins(0.1)
        axes.xaxis.set_major_locator(MaxNLocator(6))
        axes.yaxis.set_major_locator(MaxNLocator(5))
        axes.spines["left"].set_visible(False)
        if len(families) > 1 or twins:
            columns = len(families) + 1
            figure.legend(loc="outside upper left", ncols=columns, handletextpad=0.3, borderpad=0)
        return svg_text(figure)


def _draw_twin(axes: Axes, twin: Setting, label: str | None) -> None:
    """Its accuracy at no zero columns, and a line by which a reader sees what lies above it."""
    accuracy, colour = _percent(twin.mean["accuracy"]), LIGHT["ink"]
    axes.axhline(accuracy, color=colour, linewidth=0.8, linestyle=(0, (2, 3)), zorder=1)
    axes.errorbar(
        [0.0],
        [accuracy],
        yerr=[_percent(twin.spread["accuracy"])],
        fmt="D",
        markersize=6,
        markerfacecolor=LIGHT["ground"],
        markeredgewidth=1.2,
        elinewidth=1.2,
        color=colour,
        label=label,
    )


def _percent(fraction: float | None) -> float:
    return 100 * (fraction or 0.0)
