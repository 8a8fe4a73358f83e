"""Which classes a linear probe reads well, and what it takes them for, from probe_confusion.csv."""

from collections import Counter
from dataclasses import dataclass

import altair as alt
import pandas as pd

from pipeline.report.figures import LIGHT, Chart, for_file
from pipeline.report.live import live_chart
from pipeline.report.tables import percent, points
from pipeline.views import ENCODER, TWIN

MOST_CLASSES = 20  # of a label whose matrix is drawn: more cells could not be told apart
MOST_ROWS = 100  # of a table of classes: of more it has the worst and the best
SIDE = 300  # pixels, of the still image
MISTAKES = 2  # that are named for each class
PICKED = "label"  # the parameter that says which matrix is shown


@dataclass(frozen=True)
class ClassRow:
    """A class: its test images, the share that both encoders' probes get right, and what this run's takes
    the others for."""

    name: str
    images: int
    run: str
    twin: str
    difference: str
    mistakes: str


@dataclass(frozen=True)
class ClassTable:
    """label: its words. classes: how many it has. rows: the class that is read worst first; of more than
    MOST_ROWS half as many that are read worst, then as many that are read best."""

    label: str
    classes: int
    rows: list[ClassRow]

    @property
    def which(self) -> str:
        """Whose accuracy the rows are."""
        if len(self.rows) == self.classes:
            return f"each of its {self.classes} classes"
        half = len(self.rows) // 2
        return f"the {half} worst and the {half} best of its {self.classes:,} classes"


@dataclass(frozen=True)
class Section:
    """chart: the matrix of one label, None where all have too many classes. choices: labels with a matrix, as
    column and words. twin: whether its answers are known. tables: one a label."""

    chart: Chart | None
    choices: list[tuple[str, str]]
    twin: bool
    tables: list[ClassTable]

    def files(self) -> dict[str, bytes]:
        """Name and bytes of every file of figures/."""
        return {self.chart.file: for_file(self.chart.svg).encode()} if self.chart else {}


def compose(name: str, table: pd.DataFrame, file: str) -> Section | None:
    """name: of a set. table: the whole file. None where the set has no label with classes."""
    rows = pd.DataFrame(table[table["set"] == name])
    if not len(rows):
        return None
    labels = {str(label): pd.DataFrame(of_label) for label, of_label in rows.groupby("label", sort=False)}
    counts = {label: len(set(of_label["true"])) for label, of_label in labels.items()}
    few = {
        label: labels[label]
        for label in sorted(labels, key=lambda label: -counts[label])
        if counts[label] <= MOST_CLASSES
    }
    return Section(
        chart=_chart(few, file) if few else None,
        twin=bool((rows["view"] == TWIN).any()),
        choices=[(label, _spaced(label)) for label in few],
        tables=[class_table(label, of_label) for label, of_label in labels.items()],
    )


def class_table(label: str, rows: pd.DataFrame) -> ClassTable:
    """rows: of that label."""
    every = class_rows(rows)
    half = MOST_ROWS // 2
    shown = every if len(every) <= MOST_ROWS else every[:half] + every[-half:]
    return ClassTable(_spaced(label), len(every), shown)


def class_rows(rows: pd.DataFrame) -> list[ClassRow]:
    """Of one label, the class that is read worst first."""
    answers: dict[str, dict[str, Counter[str]]] = {}
    for view, true, predicted, images in rows[["view", "true", "predicted", "images"]].to_numpy().tolist():
        answers.setdefault(view, {}).setdefault(true, Counter())[predicted] += images
    run, twin = answers[ENCODER], answers.get(TWIN)
    return [
        _class_row(name, run[name], twin.get(name) if twin else None)
        for name in sorted(run, key=lambda name: _right(name, run[name]))
    ]


def _class_row(name: str, run: Counter[str], twin: Counter[str] | None) -> ClassRow:
    images, share = run.total(), _right(name, run)
    of_twin = None if twin is None else _right(name, twin)
    wrong = Counter({read: count for read, count in run.items() if read != name})
    return ClassRow(
        name=name,
        images=images,
        run=percent(share),
        twin=percent(of_twin),
        difference=points(None if of_twin is None else share - of_twin),
        mistakes=", ".join(
            f"{read} {percent(count / images)} %" for read, count in wrong.most_common(MISTAKES)
        ),
    )


def _right(name: str, answers: Counter[str]) -> float:
    return answers[name] / answers.total()


def _chart(labels: dict[str, pd.DataFrame], file: str) -> Chart:
    """Rows are true classes, columns predicted ones, and colour is the share of a row."""
    tables = []
    for label, rows in labels.items():
        of_run = rows[rows["view"] == ENCODER]
        share = of_run["images"] / of_run.groupby("true")["images"].transform("sum")
        tables.append(of_run[["true", "predicted", "images"]].assign(label=label, share=share.round(4)))
    data = pd.concat(tables)
    order = list(dict.fromkeys(data["true"]))
    legend = alt.Legend(
        orient="top",
        title="share of the true class",
        symbolType="square",
        symbolStrokeWidth=0,
        format=".0%",
        symbolFillColor=LIGHT["encoder"],
    )
    axis = {"grid": False, "labelLimit": 110}
    chart = (
        alt.Chart(data, width=SIDE, height=SIDE)
        .mark_rect(color=LIGHT["encoder"])
        .encode(
            x=alt.X("predicted:N", sort=order, title="read as", axis=alt.Axis(labelAngle=-45, **axis)),
            y=alt.Y("true:N", sort=order, title="true class", axis=alt.Axis(**axis)),
            opacity=alt.Opacity("share:Q", scale=alt.Scale(domain=[0, 1], range=[0, 1]), legend=legend),
            tooltip=["true:N", "predicted:N", "images:Q", alt.Tooltip("share:Q", format=".1%")],
        )
        .transform_filter(f"datum.label === {PICKED}")
        .add_params(alt.param(name=PICKED, value=next(iter(labels))))
    )
    return live_chart(file, "Confusion of the linear probe's classes", chart)


def _spaced(name: str) -> str:
    return name.replace("_", " ")
