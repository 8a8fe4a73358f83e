"""Charts that answer when they are pointed at: a Vega-Lite specification, and the still image of it.

One specification gives both, so a page without scripts, a printed page and the Markdown show the same chart.
Its colours are those of LIGHT, which the page swaps for its theme's.
"""

import json
from typing import Any

from pipeline.report import vega
from pipeline.report.figures import LIGHT, Chart

STILL_LEFT = 28  # pixels: a reader's font may be wider than the one that the still image is laid out with
FONT = 12  # pixels; no text is smaller than 11
PALETTE = tuple(LIGHT[name] for name in ("encoder", "pixels", "third", "fourth", "fifth", "random", "ink"))
CONFIG: dict[str, Any] = {
    "background": "transparent",
    "font": "system-ui, sans-serif",
    "padding": {"left": 2, "top": 4, "right": 4, "bottom": 2},
    "view": {"stroke": None},
    "axis": {
        "labelFontSize": FONT,
        "titleFontSize": FONT,
        "titleFontWeight": "normal",
        "labelColor": LIGHT["muted"],
        "titleColor": LIGHT["muted"],
        "gridColor": LIGHT["line"],
        "domain": False,
        "ticks": False,
        "labelPadding": 6,
    },
    "axisY": {"labelColor": LIGHT["ink"], "labelLimit": 160},
    "legend": {
        "labelFontSize": FONT,
        "titleFontSize": FONT,
        "labelColor": LIGHT["ink"],
        "titleColor": LIGHT["muted"],
        "titleFontWeight": "normal",
        "labelLimit": 150,
        "columns": 3,
    },
    "title": {"fontSize": FONT, "color": LIGHT["ink"], "anchor": "start"},
    "text": {"fontSize": FONT, "color": LIGHT["ink"]},
    "range": {"category": list(PALETTE)},
}


def live_chart(file: str, description: str, chart: Any) -> Chart:
    """`chart`: of altair. On the page it is as wide as there is room; the still image has its own width."""
    spec = {"padding": CONFIG["padding"], **chart.configure(**CONFIG).to_dict()}
    room = {**spec["padding"], "left": STILL_LEFT}
    return Chart(file, description, vega.still({**spec, "padding": room}), json.dumps(spec, sort_keys=True))
