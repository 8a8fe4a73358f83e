"""The first figure: how far this run lies above its dense twin, a dot and an interval a row; SVG text."""

from collections.abc import Mapping, Sequence

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from pipeline.report.figures import LIGHT, PAGE_INCH, style, svg_text
from pipeline.report.twin.differences import PairedDifference
from pipeline.report.twin.words import signed

HEADING = 1.15  # height of a heading, in rows


def difference_chart(blocks: Mapping[str, Sequence[PairedDifference]], salt: str) -> str:
    """A block of rows under each heading. Rows whose interval is clear of 0 have the accent colour, the rest
    is grey. R² is drawn in hundredths, beside points of accuracy."""
    places: list[tuple[float, PairedDifference]] = []
    headings: list[tuple[float, str]] = []
    at = 0.0
    for heading, rows in blocks.items():
        headings.append((at, heading))
        at += HEADING
        places += [(at + row, difference) for row, difference in enumerate(rows)]
        at += len(rows) + 0.35
    with matplotlib.rc_context(style(salt)):
        figure = Figure(figsize=(450 / PAGE_INCH, 0.21 * at + 0.62), layout="constrained")
        axes = figure.add_subplot()
        axes.axvline(0, color=LIGHT["ink"], linewidth=1)
        for place, difference in places:
            _row(axes, place, difference)
        axes.set_yticks(
            [place for place, _ in places], [_short(difference.words) for _, difference in places]
        )
        axes.tick_params(axis="y", labelcolor=LIGHT["ink"])
        for place, heading in headings:
            axes.text(
                -0.012,
                place,
                heading,
                transform=axes.get_yaxis_transform(),
                ha="right",
                va="center",
                fontsize=8.5,
                color=LIGHT["muted"],
            )
        for place, _ in headings[1:]:
            axes.axhline(place - 0.68, color=LIGHT["line"], linewidth=0.7)
        axes.set_ylim(at - 0.75, -0.6)
        axes.grid(visible=False, axis="y")
        axes.spines[["left", "bottom"]].set_visible(False)
        axes.xaxis.set_major_locator(MaxNLocator(6))
        axes.set_xlabel("← the twin is better · points · this run is better →")
        return svg_text(figure)


def _row(axes: Axes, place: float, difference: PairedDifference) -> None:
    colour = LIGHT["encoder" if difference.clear else "random"]
    if difference.low is not None and difference.high is not None:
        ends = [100 * difference.low, 100 * difference.high]
        axes.plot(ends, [place, place], color=colour, linewidth=2, solid_capstyle="round")
    axes.plot(100 * difference.value, place, "o", color=colour, markersize=5.6)
    axes.text(
        1.02,
        place,
        signed(difference),
        transform=axes.get_yaxis_transform(),
        va="center",
        color=LIGHT["encoder" if difference.clear else "muted"],
        fontweight="bold" if difference.clear else "normal",
    )


def _short(words: str, longest: int = 32) -> str:
    return words if len(words) <= longest else words[: longest - 1] + "…"
