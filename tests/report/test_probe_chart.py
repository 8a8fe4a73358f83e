"""Claims about the chart of probes: every label and view is there, and nothing is cut."""

import json
import xml.etree.ElementTree as ElementTree
from dataclasses import replace

import pytest

from pipeline.report import figures
from pipeline.report.figures import Chart
from pipeline.report.inputs import Inputs
from pipeline.report.probe_chart import probe_chart
from pipeline.report.tables import ProbeTable, Score, probe_table, title
from pipeline.views import FOREGROUND_AREA
from tests.report.samples import nasty_probe


@pytest.fixture(scope="module")
def table(inputs: Inputs) -> ProbeTable:
    table = probe_table(nasty_probe(inputs.probe).sets["scenes"], None, "accuracy")
    assert table is not None
    return table


@pytest.fixture(scope="module")
def chart(table: ProbeTable) -> Chart:
    return probe_chart(table, "probe.svg", 'a "chart"')


def rows(chart: Chart) -> list[dict]:
    return [row for data in json.loads(chart.spec)["datasets"].values() for row in data]


def test_the_file_is_xml_and_names_every_label(table: ProbeTable, chart: Chart):
    text = "".join(ElementTree.fromstring(figures.for_file(chart.svg)).itertext())
    for label in [row.label for row in table.rows]:
        assert label.replace("_", " ") in text


def test_a_pointer_finds_every_score_with_its_interval(table: ProbeTable, chart: Chart):
    found = {(row["label"], row["view"]): row["score"] for row in rows(chart) if "score" in row}
    shown = {
        (row.label.replace("_", " "), title(view))
        for row in table.rows
        for view in row.scores
        if view != FOREGROUND_AREA
    }
    assert set(found) == shown
    first = table.rows[0]
    score = first.scores["encoder"]
    assert score.low is not None and score.high is not None
    low, high = 100 * score.low, 100 * score.high
    text = f"{100 * score.value:.1f} % ({low:.1f} to {high:.1f})"
    assert found[first.label.replace("_", " "), title("encoder")] == text


def test_on_the_page_a_chart_takes_all_its_colours_from_the_theme(chart: Chart):
    inline = str(chart.inline)
    assert not [colour for colour in figures.LIGHT.values() if colour in inline]
    assert "var(--encoder)" in inline
    assert "http" not in inline.replace("https://vega.github.io/schema", "")


def test_a_far_negative_r2_stops_at_the_end_of_the_axis(table: ProbeTable):
    low = replace(table.rows[0], scores={"encoder": Score(-30.0, -40.0, 0.1)})
    drawn = [
        row for row in rows(probe_chart(replace(table, metric="r2", rows=(low,)), "a", "b")) if "low" in row
    ]
    assert [(row["value"], row["low"], row["score"]) for row in drawn] == [
        (-0.5, -0.5, "−30.00 (−40.00 to 0.10)")
    ]
