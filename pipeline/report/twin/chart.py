"""The first figure: how far this run lies above its dense twin, a dot and an interval a row."""

from collections.abc import Mapping, Sequence

import altair as alt
import pandas as pd

from pipeline.report.figures import LIGHT, Chart
from pipeline.report.live import live_chart
from pipeline.report.twin.differences import PairedDifference
from pipeline.report.twin.words import ends, signed

PADDING = {"left": 2, "top": 4, "right": 52, "bottom": 2}  # room for the numbers at the right
STEP = 20  # pixels from row to row
WIDTH = 250  # of the still image, pixels without the words at both sides
FAR = 1.6  # the axis ends at so many times what nine rows in ten reach
SHORT = {"linear probe as papers train it": "linear probe by SGD"}


def difference_chart(blocks: Mapping[str, Sequence[PairedDifference]], file: str, description: str) -> Chart:
    """A block of rows under each heading. Rows whose interval is clear of 0 have the accent colour, the rest
    is grey. R² is drawn in hundredths, beside points of accuracy. A row beyond `axis_ends` is a triangle at
    the edge, so that one label does not squeeze all others; its number stands at the right as that of every
    row."""
    low, high = axis_ends([difference for rows in blocks.values() for difference in rows])
    table = pd.DataFrame(_rows(blocks, low, high))
    row = alt.Y(
        "row:N",
        sort=table["row"].tolist(),
        title=None,
        axis=alt.Axis(
            labelExpr="split(datum.label, '|')[1]",
            labelColor={
                "condition": {"test": "indexof(datum.label, '#') > 0", "value": LIGHT["muted"]},
                "value": LIGHT["ink"],
            },
            grid=False,
        ),
    )
    title = "← twin better · points · this run better →"
    scale = alt.Scale(domain=[low, high], nice=False)
    colour = alt.Color("colour:N", scale=None)
    base = alt.Chart(table, height=STEP * len(table), width=WIDTH)
    tooltip = [alt.Tooltip(f"{name}:N", title=name.replace("_", " ")) for name in TOOLTIP]
    zero = base.mark_rule(color=LIGHT["muted"]).encode(x=alt.datum(0))
    line = base.mark_rule(strokeWidth=2.5, strokeCap="round").encode(
        x=alt.X("low:Q", title=title, scale=scale, axis=alt.Axis(tickCount=5)),
        x2="high:Q",
        y=row,
        color=colour,
        tooltip=tooltip,
    )
    dot = base.mark_point(filled=True, size=62, opacity=1).encode(
        x=alt.X("shown:Q", scale=scale),
        y=row,
        color=colour,
        shape=alt.Shape("shape:N", scale=None),
        tooltip=tooltip,
    )
    text = base.mark_text(align="left", dx=8).encode(
        x=alt.value("width"), y=row, text="text:N", color=alt.Color("words_colour:N", scale=None)
    )
    return live_chart(file, description, (zero + line + dot + text).properties(padding=PADDING))


TOOLTIP = ("probe", "difference", "interval_95_%", "test_images")


def axis_ends(rows: Sequence[PairedDifference]) -> tuple[float, float]:
    """Points at which the axis ends left and right of 0: no farther than FAR times the reach of nine rows in
    ten, and than any row reaches."""
    lows = [100 * min(row.value, row.value if row.low is None else row.low, 0.0) for row in rows]
    highs = [100 * max(row.value, row.value if row.high is None else row.high, 0.0) for row in rows]
    reaches = sorted(max(-low, high) for low, high in zip(lows, highs, strict=True))
    farthest = FAR * reaches[max(-(-9 * len(reaches) // 10) - 1, 0)] or 0.1
    least = 0.15 * min(farthest, reaches[-1] or 0.1)
    return max(1.05 * min([*lows, -least]), -farthest), min(1.05 * max([*highs, least]), farthest)


def _rows(
    blocks: Mapping[str, Sequence[PairedDifference]], left: float, right: float
) -> list[dict[str, object]]:
    rows: list[dict[str, object]] = []
    for heading, differences in blocks.items():
        rows.append({"row": f"{len(rows):03}#|{heading}"})
        for it in differences:
            low, high = (it.value if bound is None else bound for bound in (it.low, it.high))
            far = not left <= 100 * it.value <= right
            rows.append(
                {
                    "row": f"{len(rows):03}|{SHORT.get(it.words, it.words)}",
                    "low": _inside(100 * low, left, right),
                    "high": _inside(100 * high, left, right),
                    "shown": _inside(100 * it.value, left, right),
                    "shape": "circle" if not far else "triangle-right" if it.value > 0 else "triangle-left",
                    "colour": LIGHT["encoder" if it.clear else "random"],
                    "words_colour": LIGHT["encoder" if it.clear else "muted"],
                    "text": signed(it),
                    "probe": it.words,
                    "difference": f"{signed(it)}{'' if it.metric == 'r2' else ' points'}",
                    "interval_95_%": ends(it) or "–",
                    "test_images": f"{it.num_test:,}",
                }
            )
    return rows


def _inside(value: float, left: float, right: float) -> float:
    return max(min(value, right), left)
