"""What each view's probe scores on each label: a dot and an interval for each."""

from collections.abc import Sequence

import altair as alt
import pandas as pd

from pipeline.report.figures import LIGHT, Chart
from pipeline.report.live import live_chart
from pipeline.report.tables import Metric, ProbeTable, Score, points, title
from pipeline.report.tables import score as in_words
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
    MAJORITY: "ink",
}
OTHER_COLOURS = ("ink", "muted")
PADDING = {"left": 2, "top": 4, "right": 56, "bottom": 2}  # room for the gains at the right
WIDTH = 250  # of the still image, pixels without the words at both sides
FARTHEST = -0.5  # R² at which the axis ends at the latest: a far negative one says no more


def view_colour(view: str, views: Sequence[str]) -> str:
    """The name of a view's colour; views without one of their own take turns at the rest."""
    others = [other for other in views if other not in VIEW_COLOURS]
    return VIEW_COLOURS.get(view) or OTHER_COLOURS[others.index(view) % len(OTHER_COLOURS)]


def probe_chart(table: ProbeTable, file: str, description: str) -> Chart:
    """Every label has a band, and every view a line of it. The gain over random_init stands at the right.

    The dense twin is hollow, in the colour of the encoder; the majority class is a stroke.
    """
    views = [view for view in table.views if view != FOREGROUND_AREA]
    names = [title(view) for view in views]
    colours = [LIGHT[view_colour(view, views)] for view in views]
    looks = {
        alt.Stroke: colours,
        alt.Fill: [
            LIGHT["ground"] if view == TWIN else colour for view, colour in zip(views, colours, strict=True)
        ],
        alt.Shape: ["M0,-1L0,1" if view == MAJORITY else "circle" for view in views],
    }
    legend = alt.Legend(orient="top")
    stroke, fill, shape = (
        channel("view:N", title=None, scale=alt.Scale(domain=names, range=values), legend=legend)
        for channel, values in looks.items()
    )
    axis = alt.Axis(title=_axis_title(table.metric), tickCount=5)
    scale = alt.Scale(domain=_axis_ends(table), nice=False)
    label = alt.Y("label:N", sort=[_short(row.label) for row in table.rows], title=None)
    tooltip = [alt.Tooltip(f"{name}:N") for name in ("label", "view", "score", "fit")]
    base = alt.Chart(_scores(table, views)).encode(
        y=label, yOffset=alt.YOffset("view:N", sort=names), stroke=stroke, tooltip=tooltip
    )
    lines = base.mark_rule(strokeWidth=1.5, clip=True).encode(
        x=alt.X("low:Q", scale=scale, axis=axis), x2="high:Q"
    )
    dots = base.mark_point(size=45, opacity=1).encode(
        x=alt.X("value:Q", scale=scale, axis=axis), fill=fill, shape=shape
    )
    gains = (
        alt.Chart(_gains(table))
        .mark_text(align="left", dx=10)
        .encode(x=alt.value("width"), y=label, text="gain:N", color=alt.Color("colour:N", scale=None))
    )
    return live_chart(
        file,
        description,
        alt.layer(lines, dots, gains, width=WIDTH, height=(6 * len(views) + 10) * len(table.rows)).properties(
            padding=PADDING
        ),
    )


def _scores(table: ProbeTable, views: Sequence[str]) -> pd.DataFrame:
    unit = 100 if table.metric == "accuracy" else 1
    rows = [(row.label, view, row.scores[view]) for row in table.rows for view in views if view in row.scores]
    return pd.DataFrame(
        {
            "label": _short(label),
            "view": title(view),
            "value": max(unit * score.value, FARTHEST),
            "low": max(unit * (score.value if score.low is None else score.low), FARTHEST),
            "high": unit * (score.value if score.high is None else score.high),
            "score": _with_interval(score, table.metric),
            "fit": score.note,
        }
        for label, view, score in rows
    )


def _gains(table: ProbeTable) -> pd.DataFrame:
    colours = [("encoder" if (row.gain or 0) > 0 else "ink") if row.clear else "muted" for row in table.rows]
    return pd.DataFrame(
        {
            "label": [_short(row.label) for row in table.rows],
            "gain": [points(row.gain, table.metric) for row in table.rows],
            "colour": [LIGHT[colour] for colour in colours],
        }
    )


def _with_interval(score: Score, metric: Metric) -> str:
    value, low, high = (in_words(number, metric) for number in (score.value, score.low, score.high))
    unit = " %" if metric == "accuracy" else ""
    return f"{value}{unit}" + ("" if score.low is None else f" ({low} to {high})")


def _axis_title(metric: Metric) -> str:
    return f"test {'accuracy, %' if metric == 'accuracy' else 'R²'}; right: gain over initialisation"


def _axis_ends(table: ProbeTable) -> list[float]:
    if table.metric == "accuracy":
        return [0, 100]
    scores = [score for row in table.rows for score in row.scores.values()]
    lowest = min(score.value if score.low is None else score.low for score in scores)
    return [max(min(lowest - 0.02, 0), FARTHEST), 1]


def _short(label: str, longest: int = 24) -> str:
    label = label.replace("_", " ")
    return label if len(label) <= longest else label[: longest - 1] + "…"
