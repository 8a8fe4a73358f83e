"""The report's charts of training and of the sparse module, as SVG text."""

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from pipeline.contracts.pretrain import OF_LABEL
from pipeline.report.figures import LIGHT, PAGE_INCH, draw_cells, draw_scale, style, svg_text

LINE_COLOURS = ("encoder", "pixels", "third", "fourth", "fifth", "random")
THIN = 0.8  # width of the dense twin's lines
PANELS = 4  # labels side by side
MOST_PANELS = 24  # labels that are shown
FAINTEST = 0.15  # opacity of the smallest norm that is not zero


def interaction_chart(norms: np.ndarray, kl: np.ndarray | None, salt: str) -> str:
    """Column norms of W, groups x latents, as opacity; columns that are exactly zero stay blank.

    Latents are in the order of their summed norm. kl: nats per latent, as bars below where known.
    """
    order = np.argsort(-norms.sum(0), kind="stable")
    groups, latents = norms.shape
    shown = norms[:, order]
    largest = float(shown.max()) or 1.0
    height = min(max(0.17 * groups, 1.0), 5.0)
    ratios = [0.12, height] + ([0.8] if kl is not None else [])
    with matplotlib.rc_context(style(salt)):
        figure = Figure(figsize=(560 / PAGE_INCH, sum(ratios) + 1.4), layout="constrained")
        bar, axes, *below = figure.subplots(len(ratios), height_ratios=ratios)
        draw_scale(bar, "encoder", largest, FAINTEST)
        bar.set_title("norm of a column of W; blank is exactly 0", loc="left", fontsize=11)
        draw_cells(axes, np.where(shown > 0, FAINTEST + (1 - FAINTEST) * shown / largest, 0), "encoder")
        axes.set_ylabel("group")
        axes.yaxis.set_major_locator(MaxNLocator(5, integer=True))
        if kl is not None:
            below[0].sharex(axes)
            axes.tick_params(axis="x", labelbottom=False)
            below[0].bar(np.arange(latents) + 0.5, kl[order], width=0.8, color=LIGHT["third"])
            below[0].set_ylabel("KL, nats")
            below[0].grid(visible=False, axis="x")
        bottom = (below or [axes])[0]
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
    ticks = 5 if width > 300 else 2
    columns = 3 if width > 300 else 1
    height = 0.5 * width + 40 + 16 * -(-len(present) // columns)
    with matplotlib.rc_context(style(salt)):
        figure = Figure(figsize=(width / PAGE_INCH, height / PAGE_INCH), layout="constrained")
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
        axes.set_title(heading, loc="left", fontsize=11, fontweight="bold", color=LIGHT["ink"])
        axes.set_xlabel("step")
        axes.xaxis.set_major_locator(MaxNLocator(ticks, integer=True))
        axes.yaxis.set_major_locator(MaxNLocator(ticks))
        axes.spines["left"].set_visible(False)
        if len(present) > 1 or any(thin):
            figure.legend(loc="outside lower left", ncols=columns, handlelength=1.4, columnspacing=1.2)
        return svg_text(figure)


def label_chart(history: pd.DataFrame, twin: pd.DataFrame, salt: str) -> str | None:
    """What the monitors read of each label, against step: a small panel a label. None where no label has one.

    twin: the same of the dense twin, as thin lines. A dashed line is the encoder at initialisation.
    """
    read = [column for column in history if str(column).startswith(OF_LABEL)]
    read = [column for column in read if history[column].notna().to_numpy().any()]
    columns = read[:MOST_PANELS]
    if not columns:
        return None
    which = "each label" if columns == read else f"the first {MOST_PANELS} of {len(read)} labels"
    rows = -(-len(columns) // PANELS)
    with matplotlib.rc_context(style(salt)):
        figure = Figure(figsize=(680 / PAGE_INCH, (40 + 105 * rows) / PAGE_INCH), layout="constrained")
        grid = figure.subplots(rows, PANELS, sharex=True, sharey=True, squeeze=False)
        for at, (axes, column) in enumerate(zip(grid.flat, columns, strict=False)):
            known = history[["step", column]].dropna()
            axes.plot(known["step"], 100 * known[column], color=LIGHT["encoder"])
            _plot_thin(axes, history, twin, column, 100, 0)
            if len(known) and known["step"].iloc[0] == 0:
                start = 100 * known[column].iloc[0]
                axes.axhline(start, color=LIGHT["encoder"], linewidth=1, linestyle=(0, (4, 3)))
            title = column.removeprefix(OF_LABEL).replace("_", " ")
            axes.set_title(title, loc="left", fontsize=11, color=LIGHT["ink"])
            axes.spines["left"].set_visible(False)
            axes.xaxis.set_major_locator(MaxNLocator(2, integer=True))
            axes.set_ylim(0, 104)
            axes.set_yticks([0, 50, 100])
            axes.tick_params(labelbottom=at + PANELS >= len(columns))
        for axes in grid.flat[len(columns) :]:
            axes.set_visible(False)
        figure.suptitle(
            f"Ridge probe of {which} against step, %",
            x=0.01,
            ha="left",
            fontsize=11,
            fontweight="bold",
            color=LIGHT["ink"],
        )
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
