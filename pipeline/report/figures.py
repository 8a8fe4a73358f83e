"""The look of the report's charts: colours, matplotlib's settings, SVG text for the page and for files.

A chart is drawn once, in the colours of LIGHT. `for_page` swaps each colour for the CSS variable of the same
name, so that the page's light and dark themes apply to it; `for_file` gives it a ground of its own, so that
it can be read anywhere. Equal inputs give equal bytes.
"""

import io
import re
import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
from markupsafe import Markup
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.patches import PathPatch
from matplotlib.path import Path

# Okabe and Ito's hues, shifted until each has enough contrast on its ground. One name is one CSS variable.
LIGHT = {
    "ink": "#1c2024",
    "muted": "#646b75",
    "line": "#dfe3e8",
    "ground": "#fdfdfc",
    "encoder": "#0a5fc4",
    "random": "#878d96",
    "pixels": "#d4700f",
    "third": "#0b8a6a",
    "fourth": "#a4508b",
    "fifth": "#8a7400",
}
DARK = {
    "ink": "#e4e6e9",
    "muted": "#9aa1ab",
    "line": "#30353c",
    "ground": "#15181c",
    "encoder": "#5aa5f7",
    "random": "#8f969f",
    "pixels": "#f29b45",
    "third": "#35c29b",
    "fourth": "#dd8fc6",
    "fifth": "#d3b93c",
}
STYLE = {
    "svg.fonttype": "none",
    "text.parse_math": False,  # a label may hold dollar signs
    "font.family": "DejaVu Sans",  # ships with matplotlib; the page puts its own in its place
    "font.size": 11,  # pixels on the page, where no chart is shown smaller than it is drawn
    "text.color": LIGHT["ink"],
    "axes.labelcolor": LIGHT["muted"],
    "axes.edgecolor": LIGHT["line"],
    "axes.facecolor": "none",
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "grid.color": LIGHT["line"],
    "grid.linewidth": 0.7,
    "xtick.color": LIGHT["muted"],
    "ytick.color": LIGHT["muted"],
    "xtick.major.size": 0,
    "ytick.major.size": 0,
    "legend.frameon": False,
    "lines.linewidth": 1.6,
}
PAGE_INCH = 72  # SVG units
SQUARE = np.array([(0, 0), (1, 0), (1, 1), (0, 1), (0, 0)])


def style(salt: str) -> dict[Any, Any]:
    """matplotlib's settings for a chart; equal salts give equal ids."""
    return STYLE | {"svg.hashsalt": salt}


def draw_cells(axes: Axes, shares: np.ndarray, colour: str) -> None:
    """A matrix as cells: the larger the share, in [0, 1], the stronger the colour; below 2.5 % it is blank.

    All cells of one shade, in steps of 5 %, are one path, so that a matrix of thousands of cells stays small.
    """
    shades = np.round(20 * shares).astype(int)
    for shade in np.unique(shades[shades > 0]):
        corners = np.argwhere(shades == shade)[:, ::-1]
        squares = [Path(corner + SQUARE, closed=True) for corner in corners]
        path = Path.make_compound_path(*squares)
        axes.add_patch(PathPatch(path, facecolor=(*to_rgb(LIGHT[colour]), shade / 20), linewidth=0))
    axes.set_xlim(0, shares.shape[1])
    axes.set_ylim(shares.shape[0], 0)
    axes.grid(visible=False)


def draw_scale(axes: Axes, colour: str, largest: float, faintest: float = 0.0) -> None:
    """A colour bar in axes of its own: what the shades of `draw_cells` stand for, from 0 to `largest`."""
    shades = 20
    draw_cells(axes, np.linspace(faintest, 1, shades)[None], colour)
    axes.set_xticks([0, shades / 2, shades], ["0", f"{largest / 2:.2g}", f"{largest:.2g}"])
    axes.set_yticks([])
    axes.spines[:].set_visible(False)


def svg_text(figure: Figure) -> str:
    """The figure as an <svg> element without a date, ids or fonts of its own."""
    buffer = io.StringIO()
    with warnings.catch_warnings():
        # The reader's font draws the text; this one only measures it, and lacks many scripts.
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        figure.savefig(buffer, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    text = buffer.getvalue()
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>\s*", "", text, flags=re.DOTALL)
    text = re.sub(r'<g id="[^"]*"', "<g", text)  # nothing refers to them, and a page may hold an id once
    text = re.sub(r' d="[^"]*"', _shortened, text)
    return re.sub(r"font-family: [^;\"]+", "font-family: system-ui, sans-serif", text)


def _shortened(path: re.Match[str]) -> str:
    """A path with coordinates of two decimals."""
    return re.sub(r"\d+\.\d{3,}", lambda number: f"{float(number[0]):.2f}", path[0])


def for_page(svg: str, description: str) -> str:
    """`svg` as an element of an HTML page that defines LIGHT's names as CSS variables."""
    svg = themed(svg)
    svg = svg.replace("font-family: system-ui, sans-serif; ", "")
    svg = re.sub(r' xmlns(:xlink)?="[^"]*"', "", svg)
    width = re.search(r'<svg[^>]* width="([\d.]+)', svg)
    svg = re.sub(r'(<svg[^>]*?) width="[^"]*" height="[^"]*"', r"\1", svg, count=1)
    natural = (
        f' style="--natural: {float(width[1]):.0f}px"' if width else ""
    )  # narrower, its text is too small
    label = "".join(character for character in description if character not in '<>&"')
    return svg.replace("<svg", f'<svg role="img" aria-label="{label}"{natural}', 1)


def themed(text: str) -> str:
    """The colours of LIGHT as CSS variables."""
    for name, colour in LIGHT.items():
        text = text.replace(colour, f"var(--{name})")
    return text


def for_script(json: str) -> str:
    """JSON for a <script> element, which it cannot end."""
    return json.replace("<", r"\u003c")


def for_file(svg: str) -> str:
    """`svg` as a file of its own, on a light ground that holds on a dark page too."""
    ground = f'<rect width="100%" height="100%" rx="4" fill="{LIGHT["ground"]}"/>'
    return re.sub(r"(<svg[^>]*>)", rf"\1{ground}", svg, count=1)


@dataclass(frozen=True)
class Chart:
    """A chart, its file name in figures/ and what it shows.

    spec: Vega-Lite as JSON, from which a browser draws the same chart to be pointed at; empty for a chart
    that stays as it is.
    """

    file: str
    description: str
    svg: str
    spec: str = ""

    @property
    def inline(self) -> Markup:
        """The chart as a part of the page."""
        still = f'<div class="still">{for_page(self.svg, self.description)}</div>'
        if not self.spec:
            return Markup(still)
        spec = for_script(themed(self.spec))
        return Markup(f'{still}<script type="application/json" class="spec">{spec}</script>')
