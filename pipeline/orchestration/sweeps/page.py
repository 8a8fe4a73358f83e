"""reports/sweeps/<name>.{csv,md,html,svg}: cells, mean and spread over seeds, accuracy against sparsity."""

import hashlib
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from pipeline.files import atomic_file
from pipeline.orchestration.sweeps import results
from pipeline.orchestration.sweeps.grid import short_names, shown
from pipeline.orchestration.sweeps.results import HEADLINE, Row, Setting
from pipeline.report.tables import DASH, number, percent, points

TITLES = {
    "accuracy": "accuracy, %",
    "knn": "k-NN, %",
    "gain": "gain, points",
    "less_twin": "less twin, points",
    "dci_z": "DCI z",
    "zero_share": "zero columns, %",
    "rankme": "RankMe",
    "collapsed": "collapsed, %",
    "minutes": "minutes",
}
MEANINGS = (
    "Less twin: accuracy less that of the dense twin, the same run without sparsity. "
    "Both share the seed, so over seeds it is a paired difference. "
    "DCI z: disentanglement of the groups, in standard deviations above random groups of the same sizes."
)
CODE = (Path(__file__), Path(__file__).with_name("sweep.html.j2"), Path(__file__).with_name("pareto.py"))


def write(
    folder: Path, name: str, command: str, commit: str, rows: list[Row], notes: Sequence[str] = ()
) -> list[Path]:
    """Write the four files where what they are made of has changed; returns their paths, the page first.

    notes: lines that stand above the tables.
    """
    text = results.table(rows)
    digest = hashlib.sha256("\n".join([text, command, *notes]).encode())
    for path in CODE:
        digest.update(path.read_bytes())
    paths = [folder / f"{name}.{kind}" for kind in ("html", "md", "csv", "svg")]
    marker = f"made of {digest.hexdigest()[:16]}"
    if all(path.exists() for path in paths) and marker in paths[0].read_text():
        return paths
    settings, twins = results.by_setting(rows), results.dense_twins(rows)
    chart = _chart(settings, twins, name)
    content = {
        "name": name,
        "command": command,
        "commit": commit[:10],
        "devices": ", ".join(sorted({row.device for row in rows if row.device})) or DASH,
        "settings": settings_table(settings, twins),
        "cells": cells_table(rows),
        "open": [row for row in rows if row.state != "done"],
        "made_of": marker,
        "meanings": MEANINGS,
        "notes": notes,
        "twin": bool(twins),
    }
    contents = (_html(content, chart), _markdown(content), text, _file(chart))
    for path, written in zip(paths, contents, strict=True):
        with atomic_file(path) as temporary:
            temporary.write_text(written)
    return paths


def value(name: str, content: float | None) -> str:
    """A number of the headline as the tables show it."""
    if name in ("gain", "less_twin"):
        return points(None if content is None else content / 100)
    if name in ("dci_z", "rankme", "minutes"):
        return number(content)
    return percent(content)


def in_words(headline: dict[str, float | None]) -> str:
    """`accuracy 64.1 %, less twin +2.0, zero columns 31.2 %`, of what is known."""
    texts = {"accuracy": "accuracy {} %", "less_twin": "less twin {}", "zero_share": "zero columns {} %"}
    parts = [
        text.format(value(name, headline[name])) for name, text in texts.items() if headline[name] is not None
    ]
    return ", ".join(parts) or "no accuracy"


def settings_table(settings: list[Setting], twins: list[Setting]) -> tuple[list[str], list[list[str]]]:
    """Columns, and a row per setting: what is swept, how many seeds are done, mean ± standard deviation.

    The last rows are the dense twins, where there are any.
    """
    swept = short_names(dict.fromkeys(path for setting in settings for path in setting.swept))
    front = results.pareto(settings)
    rows = []
    for setting in settings:
        seeds, on_front = f"{setting.count} of {setting.cells}", "yes" if setting in front else ""
        rows.append([*_swept(setting, swept), seeds, *_means(setting), on_front])
    for twin in twins:
        rows.append([*_swept(twin, swept), f"dense twin: {twin.count} of {twin.cells}", *_means(twin), ""])
    return [*swept.values(), "seeds done", *map(TITLES.__getitem__, HEADLINE), "on the front"], rows


def _swept(setting: Setting, paths: Iterable[str]) -> list[str]:
    return [shown(setting.swept[path]) if path in setting.swept else DASH for path in paths]


def _means(setting: Setting) -> list[str]:
    """Mean ± standard deviation of each number of the headline."""
    texts = []
    for name in HEADLINE:
        mean, spread = value(name, setting.mean[name]), setting.spread[name]
        texts.append(mean if spread is None else f"{mean} ± {value(name, spread).lstrip('+')}")
    return texts


def cells_table(rows: list[Row]) -> tuple[list[str], list[list[str]]]:
    """Columns, and a row per cell."""
    columns = ["cell", "state", *map(TITLES.__getitem__, HEADLINE), "experiment"]
    return columns, [
        [
            row.cell.title,
            row.state,
            *(value(name, row.headline[name]) for name in HEADLINE),
            row.cell.name if row.state == "done" else row.reason,
        ]
        for row in rows
    ]


def _chart(settings: list[Setting], twins: list[Setting], name: str) -> str | None:
    from pipeline.orchestration.sweeps.pareto import pareto_chart

    return pareto_chart(settings, results.pareto(settings), twins, salt=f"sweep {name}")


def _file(chart: str | None) -> str:
    from pipeline.report.figures import for_file

    return for_file(chart) if chart else '<svg xmlns="http://www.w3.org/2000/svg" width="1" height="1"/>\n'


def _html(content: dict[str, Any], chart: str | None) -> str:
    import jinja2

    from pipeline.report.figures import DARK, LIGHT, for_page

    source = Path(__file__).with_name("sweep.html.j2").read_text()
    template = jinja2.Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True).from_string(source)
    figure = for_page(chart, "mean accuracy against the share of zero columns") if chart else ""
    return template.render(content, chart=figure, light=LIGHT, dark=DARK) + "\n"


def _markdown(content: dict[str, Any]) -> str:
    lines = [f"# Sweep {content['name']}", "", f"    {content['command']}", ""]
    lines += [f"Commit {content['commit']}, {content['devices']}. Mean ± standard deviation over seeds.", ""]
    lines += [MEANINGS, ""]
    lines += [line for note in content["notes"] for line in (note, "")]
    lines += _markdown_table(*content["settings"])
    lines += ["", f"![accuracy against zero columns]({content['name']}.svg)", "", "## Cells", ""]
    lines += _markdown_table(*content["cells"])
    return "\n".join(lines) + "\n"


def _markdown_table(columns: list[str], rows: list[list[str]]) -> list[str]:
    def line(cells: list[str]) -> str:
        return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"

    return [line(columns), "|" + "---|" * len(columns), *map(line, rows)]
