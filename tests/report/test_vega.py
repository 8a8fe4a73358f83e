"""Claims about the script of charts: whole, small, and safe inside a page; and about still images."""

import altair as alt
import pandas as pd

from pipeline.report import vega


def test_the_script_holds_all_three_libraries_and_cannot_end_its_element():
    script = vega.javascript()
    assert all(f"window.{name}=" in script for name in ("vegaEmbed", "vegaLite", "vega"))
    assert "</script" not in script and len(script) < 1.2e6


def test_the_same_chart_is_the_same_image():
    spec = (
        alt.Chart(pd.DataFrame({"x": [1, 2], "y": ["a<b", "c"]})).mark_point().encode(x="x", y="y").to_dict()
    )
    image = vega.still(spec)
    assert image == vega.still(spec)
    assert image.startswith("<svg") and "a&lt;b" in image
