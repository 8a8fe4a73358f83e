"""Claims about charts: they name what they show, in the colours of the theme."""

import re

import matplotlib
import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure

from pipeline.report import charts, figures
from pipeline.report.inputs import Inputs


def test_both_themes_name_the_same_colours():
    assert figures.LIGHT.keys() == figures.DARK.keys()
    assert len(set(figures.LIGHT.values())) == len(figures.LIGHT)


def test_a_line_chart_of_empty_columns_is_none(inputs: Inputs):
    history = inputs.training
    twin = history.head(0)
    assert charts.line_chart(history, twin, {"rankme": ""}, "RankMe", "a") is not None
    assert charts.line_chart(history.drop(columns="rankme"), twin, {"rankme": ""}, "RankMe", "a") is None
    assert charts.line_chart(history.assign(rankme=np.nan), twin, {"rankme": ""}, "RankMe", "a") is None


def test_the_twin_is_a_line_more_where_its_course_is_another(inputs: Inputs):
    history = inputs.training

    def chart(twin: pd.DataFrame) -> str:
        text = charts.line_chart(history, twin, {"rankme": "RankMe"}, "RankMe", "a")
        assert text is not None
        return text

    alone = chart(history.head(0))
    assert "dense twin" in chart(history.assign(rankme=history["rankme"] + 1))
    assert chart(history) == chart(history[["step"]]) == alone
    assert "dense twin" not in alone


def test_each_label_that_was_monitored_has_a_panel(inputs: Inputs):
    alone = inputs.training.loc[:, [not str(name).startswith(charts.OF_LABEL) for name in inputs.training]]
    labels = [f"{charts.OF_LABEL}{name}" for name in ("colour", "a<b $x$")]
    monitored = alone.assign(**dict.fromkeys(labels, alone["ridge_accuracy"]))
    text = charts.label_chart(monitored, alone, "a")
    assert text is not None and ">colour</text>" in text and ">a&lt;b $x$</text>" in text
    with_twin = charts.label_chart(monitored, monitored.assign(**{labels[0]: 0.5}), "a")
    assert with_twin is not None and with_twin.count("<path") > text.count("<path")
    many = alone.assign(**{f"{charts.OF_LABEL}{at}": 0.5 for at in range(charts.MOST_PANELS + 2)})
    text = charts.label_chart(many, alone, "a")
    assert text is not None and f"the first {charts.MOST_PANELS} of {charts.MOST_PANELS + 2} labels" in text
    assert charts.label_chart(alone, monitored, "a") is None
    assert charts.label_chart(monitored.assign(**dict.fromkeys(labels, np.nan)), alone, "a") is None


SHADES = 20  # of the colour bar


def squares(text: str, colour: str) -> int:
    """How many closed squares are filled with a colour."""
    paths = re.findall(rf'd="([^"]*)"[^>]*style="fill: {figures.LIGHT[colour]}', text)
    return sum(path.count("z") for path in paths)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("shape", [(4, 6), (1, 1), (16, 32)])
@pytest.mark.parametrize("with_kl", [True, False])
def test_the_interaction_chart_has_a_cell_per_column_that_is_not_zero(shape: tuple[int, int], with_kl: bool):
    norms = np.random.default_rng(0).random(shape)
    norms[norms < 0.4] = 0
    kl = np.ones(shape[1]) if with_kl else None
    for shown in (norms, np.zeros(shape)):
        text = charts.interaction_chart(shown, kl, "interaction")
        assert squares(text, "encoder") == np.count_nonzero(shown) + SHADES
        assert figures.LIGHT["encoder"] not in figures.for_page(text, "interaction")


def test_a_matrix_is_drawn_by_shades_and_its_smallest_numbers_stay_blank():
    """Half of the cells are near zero; the others have two shades, so two paths of many squares."""
    shares = np.tile(np.array([[0.0, 0.02, 0.5, 1.0]]), (40, 20))
    with matplotlib.rc_context(figures.style("cells")):
        figure = Figure(figsize=(4, 3))
        axes = figure.add_subplot()
        figures.draw_cells(axes, shares, "encoder")
        text = figures.svg_text(figure)
    assert len(axes.patches) == 2
    assert text.count("fill-opacity: 0.5") == 1 and squares(text, "encoder") == 2 * 40 * 20
    coordinates = re.findall(r"[ML] (\S+) (\S+)", text)
    assert coordinates and all(len(number.partition(".")[2]) <= 2 for pair in coordinates for number in pair)
    assert len(text) < 60 * shares.size
