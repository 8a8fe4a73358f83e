"""The report's charts of probes, of training and of the sparse module, as SVG text."""

from collections.abc import Sequence

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from pipeline.report.figures import LIGHT, PAGE_INCH, draw_cells, style, svg_text
from pipeline.report.tables import ProbeTable, points, title
from pipeline.views import (
    ENCODER,
    FOREGROUND_AREA,
    GROUPS,
    LAST_BLOCKS,
    LATENT,
    MAJORITY,
    PIXELS_PCA,
    RANDOM_INIT,
    TWIN,
)

VIEW_COLOURS = {
    ENCODER: "encoder",
    TWIN: "encoder",
    LAST_BLOCKS: "fifth",
    LATENT: "third",
    GROUPS: "fourth",
    RANDOM_INIT: "random",
    PIXELS_PCA: "pixels",
}
OTHER_COLOURS = ("ink", "muted")
LINE_COLOURS = ("encoder", "pixels", "third", "fourth", "fifth", "random")
THIN = 0.8  # width of the dense twin's lines
FAINTEST = 0.15  # opacity of the smallest norm that is not zero


def view_colour(view: str, views: Sequence[str]) -> str:
    """The name of a view's colour; views without one of their own take turns at the rest."""
    others = [other for other in views if other not in VIEW_COLOURS and other != MAJORITY]
    return VIEW_COLOURS.get(view) or OTHER_COLOURS[others.index(view) % len(OTHER_COLOURS)]


def probe_chart(table: ProbeTable, salt: str) -> str:
    """Score and interval of each view per label, the gain over random_init at the right edge."""
    scale = 100 if table.metric == "accuracy" else 1
    dots = [view for view in table.views if view not in (MAJORITY, FOREGROUND_AREA)]
    offsets = np.linspace(-0.22, 0.22, len(dots)) if len(dots) > 1 else [0.0]
    legend_rows = -(-(len(dots) + (MAJORITY in table.views)) // 4)
    height = (0.29 + 0.03 * max(len(dots) - 3, 0)) * len(table.rows) + 0.75 + 0.22 * max(legend_rows - 2, 0)
    with matplotlib.rc_context(style(salt)):
        figure = Figure(figsize=(450 / PAGE_INCH, height), layout="constrained")
        axes = figure.add_subplot()
        for view, offset in zip(dots, offsets, strict=True):
            scores = [(at, row.scores[view]) for at, row in enumerate(table.rows) if view in row.scores]
            places = [at + offset for at, _ in scores]
            values = [scale * score.value for _, score in scores]
            colour = LIGHT[view_colour(view, table.views)]
            for place, (_, score) in zip(places, scores, strict=True):
                if score.low is not None and score.high is not None:
                    ends = [scale * score.low, scale * score.high]
                    axes.plot(ends, [place, place], color=colour, linewidth=1.5, solid_capstyle="round")
            size = 6.2 if view == ENCODER else 4.6
            inside = LIGHT["ground"] if view == TWIN else colour  # of the encoder's colour, and hollow
            axes.plot(values, places, "o", color=colour, mfc=inside, markersize=size, label=title(view))
        ticks = [(at, row.scores[MAJORITY]) for at, row in enumerate(table.rows) if MAJORITY in row.scores]
        if ticks:
            values, places = [scale * score.value for _, score in ticks], [at for at, _ in ticks]
            axes.plot(values, places, "|", color=LIGHT["ink"], markersize=11, label=title(MAJORITY))
        _finish_probe_chart(axes, table)
        figure.legend(loc="outside upper left", ncols=4, handletextpad=0.2, columnspacing=1.2, borderpad=0)
        return svg_text(figure)


def _finish_probe_chart(axes: Axes, table: ProbeTable) -> None:
    axes.set_yticks(range(len(table.rows)), [_short(row.label) for row in table.rows])
    axes.tick_params(axis="y", labelcolor=LIGHT["ink"])
    axes.set_ylim(len(table.rows) - 0.45, -0.55)
    axes.grid(visible=False, axis="y")
    for between in range(1, len(table.rows)):
        axes.axhline(between - 0.5, color=LIGHT["line"], linewidth=0.5)
    if table.metric == "accuracy":
        axes.set_xlim(0, 100)
        axes.set_xlabel("test accuracy, %")
    else:
        low = min(score.value for row in table.rows for score in row.scores.values())
        axes.set_xlim(max(min(low - 0.05, 0), -0.5), 1)  # a far negative R² says no more than a small one
        axes.set_xlabel("test R²")
    axes.spines[["left", "bottom"]].set_visible(False)
    right = axes.get_yaxis_transform()
    for at, row in enumerate(table.rows):
        colour = LIGHT[("encoder" if (row.gain or 0) > 0 else "ink") if row.clear else "muted"]
        weight = "bold" if row.clear else "normal"
        text = points(row.gain, table.metric)
        axes.text(1.02, at, text, transform=right, va="center", color=colour, fontweight=weight)
    axes.text(1.02, -0.75, "gain", transform=right, va="center", color=LIGHT["muted"])


def _short(label: str, longest: int = 28) -> str:
    label = label.replace("_", " ")
    return label if len(label) <= longest else label[: longest - 1] + "…"


def interaction_chart(norms: np.ndarray, kl: np.ndarray | None, salt: str) -> str:
    """Column norms of W, groups x latents, as opacity; columns that are exactly zero stay blank.

    Latents are in the order of their summed norm. kl: nats per latent, as bars below where known.
    """
    order = np.argsort(-norms.sum(0), kind="stable")
    groups, latents = norms.shape
    shown = norms[:, order]
    largest = shown.max() or 1.0
    with matplotlib.rc_context(style(salt)):
        height = min(max(0.17 * groups, 1.0), 5.0)
        figure = Figure(
            figsize=(560 / PAGE_INCH, height + (1.5 if kl is not None else 0.6)), layout="constrained"
        )
        if kl is None:
            axes, below = figure.add_subplot(), None
        else:
            axes, below = figure.subplots(2, sharex=True, height_ratios=[height, 0.8])
        draw_cells(axes, np.where(shown > 0, FAINTEST + (1 - FAINTEST) * shown / largest, 0), "encoder")
        axes.set_ylabel("group")
        axes.yaxis.set_major_locator(MaxNLocator(5, integer=True))
        bottom = below if below is not None else axes
        if below is not None and kl is not None:
            below.bar(np.arange(latents) + 0.5, kl[order], width=0.8, color=LIGHT["third"])
            below.set_ylabel("KL, nats")
            below.grid(visible=False, axis="x")
        bottom.set_xlabel("latents, by summed norm")
        bottom.xaxis.set_major_locator(MaxNLocator(8, integer=True))
        return svg_text(figure)


def line_chart(
    history: pd.DataFrame,
    twin: pd.DataFrame,
    lines: dict[str, str],
    heading: str,
    salt: str,
    scale: float = 1,
    dashed: bool = False,
    width: float = 340,
) -> str | None:
    """Columns of training.csv against step; `lines` maps column to its legend. None where all are empty.

    twin: the same of the dense twin, as thin lines where they differ; it may lack columns.
    dashed: mark each column's value at step 0, the encoder at initialisation. width: in SVG units.
    """
    present = {
        column: text
        for column, text in lines.items()
        if column in history and history[column].notna().to_numpy().any()
    }
    if not present:
        return None
    ticks = 5 if width > 300 else 3
    with matplotlib.rc_context(style(salt)):
        figure = Figure(figsize=(width / PAGE_INCH, 0.6 * width / PAGE_INCH), layout="constrained")
        axes = figure.add_subplot()
        for at, (column, text) in enumerate(present.items()):
            known = history[["step", column]].dropna()
            colour = LIGHT[LINE_COLOURS[at % len(LINE_COLOURS)]]
            marker = "o" if len(known) < 30 else ""
            axes.plot(known["step"], scale * known[column], marker=marker, ms=3, color=colour, label=text)
            start = known.loc[known["step"] == 0, column]
            if dashed and len(start):
                axes.axhline(scale * start.iloc[0], color=colour, linewidth=1, linestyle=(0, (4, 3)))
        thin = [_plot_thin(axes, history, twin, column, scale, at) for at, column in enumerate(present)]
        if any(thin):
            axes.plot([], [], color=LIGHT["muted"], linewidth=THIN, label="dense twin")
        axes.set_title(heading, loc="left", fontsize=9.5, fontweight="bold", color=LIGHT["ink"])
        axes.set_xlabel("step")
        axes.xaxis.set_major_locator(MaxNLocator(ticks, integer=True))
        axes.yaxis.set_major_locator(MaxNLocator(ticks))
        axes.spines["left"].set_visible(False)
        if len(present) > 1 or any(thin):
            columns = 2 if len(present) > 4 else 1
            axes.legend(ncols=columns, fontsize=8, handlelength=1.4, labelcolor=LIGHT["muted"])
        return svg_text(figure)


def _plot_thin(
    axes: Axes, history: pd.DataFrame, twin: pd.DataFrame, column: str, scale: float, at: int
) -> bool:
    """Draw the twin's column in the colour of line `at`. False where it has none, or an equal one."""
    if column not in twin:
        return False
    known = twin[["step", column]].dropna()
    if known.empty or known.reset_index(drop=True).equals(
        history[["step", column]].dropna().reset_index(drop=True)
    ):
        return False
    colour = LIGHT[LINE_COLOURS[at % len(LINE_COLOURS)]]
    axes.plot(known["step"], scale * known[column], color=colour, linewidth=THIN)
    return True
