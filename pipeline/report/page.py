"""The report as one HTML page and as Markdown: the content set in the two templates beside this file.

The page loads nothing: styles, scripts, charts and images are inside it.
"""

import base64
import html
import re
from collections.abc import Callable
from typing import Any

import numpy as np
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from pipeline.report import figures, images, tables, vega
from pipeline.report.content import Content
from pipeline.report.tables import unbroken

PAGE_TEMPLATE = "page.html.j2"


def render_page(content: Content) -> str:
    """One HTML file that needs no other."""
    return _render(PAGE_TEMPLATE, content)


def render_readme(content: Content) -> str:
    """The same content as Markdown; its images are files of figures/."""
    return _render("readme.md.j2", content).replace("&#39;", "'")  # Markdown needs no such mark


def _render(template: str, content: Content) -> str:
    environment = Environment(
        loader=PackageLoader("pipeline.report", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    functions: list[Callable[..., Any]] = [
        tables.title,
        tables.percent,
        tables.score,
        tables.points,
        tables.number,
        tables.interval,
    ]
    environment.filters |= {function.__name__: function for function in functions}
    environment.filters |= {"data_uri": _data_uri, "webp_uri": _webp_uri}
    environment.filters |= {"markdown": _markdown, "spaced": _spaced, "fenced": _fenced, "unbroken": unbroken}
    script = Markup(vega.javascript()) if template == PAGE_TEMPLATE else ""
    return environment.get_template(template).render(
        content=content, light=figures.LIGHT, dark=figures.DARK, vega=script
    )


def _data_uri(image: np.ndarray) -> str:
    return "data:image/png;base64," + base64.b64encode(images.png(image)).decode()


def _webp_uri(image: np.ndarray) -> str:
    return "data:image/webp;base64," + base64.b64encode(images.webp(image)).decode()


def _markdown(text: str) -> Markup:
    """Text as Markdown shows it: on one line, with nothing that Markdown or HTML would act on."""
    escaped = re.sub(r"([\\`*_{}\[\]|#~$])", r"\\\1", " ".join(str(text).split()))
    return Markup(html.escape(escaped, quote=False))


def _fenced(text: str) -> Markup:
    """Text for a fenced block of Markdown, which it cannot end."""
    return Markup(text.replace("```", "` ` `"))


def _spaced(name: str) -> str:
    return name.replace("_", " ")
