"""The map of test images: a dot an image, coloured by the label that the reader picks."""

import altair as alt
import pandas as pd

from pipeline.report.figures import Chart
from pipeline.report.live import PALETTE, live_chart

SIZE = 330  # pixels, of the still image
COLOURS = (*PALETTE, "#c0392b", "#6b8e23", "#6c5fd0")  # then they repeat
PICKED = "label"  # the parameter that says which column gives the colour


def map_chart(places: pd.DataFrame, columns: list[str], file: str, description: str) -> Chart:
    """places: x, y, `words` of the image, `image` as a URI, and the `columns` by which it can be coloured. A
    pointer shows the image and its words."""
    hidden = alt.Axis(labels=False, title=None, grid=False)
    ends = alt.Scale(zero=False, nice=False, padding=8)
    chart = (
        alt.Chart(places, width=SIZE, height=SIZE)
        .mark_circle(size=34, opacity=0.75, aria=False)
        .encode(
            x=alt.X("x:Q", axis=hidden, scale=ends),
            y=alt.Y("y:Q", axis=hidden, scale=ends),
            color=alt.Color(
                "shown:N",
                title=None,
                scale=alt.Scale(range=COLOURS),
                legend=alt.Legend(orient="bottom", symbolLimit=len(COLOURS) + 2, symbolOpacity=1),
            ),
            tooltip=[alt.Tooltip("words:N", title="labels"), alt.Tooltip("image:N")],
        )
        .transform_calculate(shown=f"datum[{PICKED}]")
        .add_params(alt.param(name=PICKED, value=columns[0]))
    )
    return live_chart(file, description, chart)
