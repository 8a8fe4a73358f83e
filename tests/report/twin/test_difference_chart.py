"""Claims about the first figure: every row answers a pointer, colour is for rows clear of 0,
and no single label squeezes the others."""

import json
import xml.etree.ElementTree as ElementTree

from pipeline.report import figures
from pipeline.report.figures import Chart
from pipeline.report.twin.chart import axis_ends, difference_chart
from pipeline.report.twin.differences import PairedDifference

CLEAR = PairedDifference("background_orientation", 0.05, 0.04, 0.06, 5000)
LEVEL = PairedDifference("distance", 0.003, -0.01, 0.016, 3344, "r2")
FAR = PairedDifference("light", 0.517, 0.502, 0.53, 5000)
MANY = [
    PairedDifference(f"label {at}", 0.01 * at, 0.01 * at - 0.005, 0.01 * at + 0.005, 5000)
    for at in range(-2, 8)
]


def chart(**blocks: list[PairedDifference]) -> Chart:
    return difference_chart(blocks, "twin.svg", "differences")


def rows(drawn: Chart) -> dict[str, dict]:
    found = [row for data in json.loads(drawn.spec)["datasets"].values() for row in data]
    return {row["probe"]: row for row in found if row.get("probe")}


def test_every_row_is_named_with_its_difference():
    drawn = chart(mean=[CLEAR], other=[LEVEL])
    text = "".join(ElementTree.fromstring(figures.for_file(drawn.svg)).itertext())
    for words in ("mean", "background orientation", "+5.0", "other", "distance, R²", "0.00"):
        assert words in text


def test_a_pointer_finds_difference_interval_and_number_of_images():
    row = rows(chart(mean=[CLEAR]))["background orientation"]
    assert (row["difference"], row["interval_95_%"], row["test_images"]) == (
        "+5.0 points",
        "+4.0 to +6.0",
        "5,000",
    )


def test_only_rows_that_are_clear_of_0_are_coloured():
    accent = figures.LIGHT["encoder"]
    drawn = rows(chart(labels=[CLEAR, LEVEL]))
    assert [row["colour"] == accent for row in drawn.values()] == [True, False]


def test_a_difference_without_an_interval_is_a_grey_dot():
    (row,) = rows(chart(labels=[PairedDifference("count", 0.05, None, None, 100)])).values()
    assert row["colour"] == figures.LIGHT["random"] and row["low"] == row["high"] == row["shown"]


def test_one_far_label_does_not_squeeze_the_others():
    """Ten labels reach 7.5 points, one 53: the axis ends near those of the ten, and the one is a triangle."""
    low, high = axis_ends([*MANY, FAR])
    assert 7.5 < high < 15 and -4 < low < -2
    drawn = rows(chart(labels=[*MANY, FAR]))
    assert drawn["light"]["shape"] == "triangle-right" and drawn["light"]["text"] == "+51.7"
    assert {row["shape"] for name, row in drawn.items() if name != "light"} == {"circle"}
    assert all(low <= row[key] <= high for row in drawn.values() for key in ("low", "high", "shown"))


def test_where_no_label_is_far_every_interval_is_whole():
    low, high = axis_ends(MANY)
    assert all(low <= 100 * (row.low or 0) and 100 * (row.high or 0) <= high for row in MANY)
    assert axis_ends([PairedDifference("count", 0.0, 0.0, 0.0, 10)])[0] < 0
