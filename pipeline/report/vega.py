"""Vega-Lite charts that need no network: the script that draws them on a page, and their still image.

The script holds Vega, Vega-Lite and vega-embed in the versions that altair writes for. It puts `vegaEmbed` on
`window`. vl-convert carries all of it, about 0.9 MB.
"""

import hashlib
import json
import re
from functools import cache
from typing import Any

import altair
import vl_convert

VERSION = ".".join(altair.SCHEMA_VERSION.lstrip("v").split(".")[:2])  # of Vega-Lite


@cache
def javascript() -> str:
    """The script, to stand inside a <script> element."""
    script = vl_convert.javascript_bundle(vl_version=VERSION)  # pyright: ignore[reportCallIssue]
    return script.replace("</script", r"<\/script")


def still(spec: dict[str, Any]) -> str:
    """The chart of a Vega-Lite specification as an <svg> element. Equal specifications give equal text.

    Vega numbers clip paths as they come up in the process. They are named after the chart here, so that
    charts of one page share no name either.
    """
    svg = vl_convert.vegalite_to_svg(spec, vl_version=VERSION)
    chart = hashlib.sha256(json.dumps(spec, sort_keys=True).encode()).hexdigest()[:8]
    found = dict.fromkeys(re.findall(r'id="(clip\d+)"', svg))
    names = {name: f"clip-{chart}-{number}" for number, name in enumerate(found)}
    return re.sub(r"\bclip\d+\b", lambda match: names.get(match[0], match[0]), svg)
