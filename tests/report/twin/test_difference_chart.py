"""Claims about the first figure: every row is named, and the accent colour is for rows clear of 0 alone."""

import xml.etree.ElementTree as ElementTree

from pipeline.report import figures
from pipeline.report.twin.chart import difference_chart
from pipeline.report.twin.differences import PairedDifference

CLEAR = PairedDifference("background_orientation", 0.05, 0.04, 0.06, 5000)
LEVEL = PairedDifference("distance", 0.003, -0.01, 0.016, 3344, "r2")


def test_every_row_is_named_with_its_difference():
    chart = difference_chart({"mean over 2 labels": [CLEAR], "other labels": [LEVEL]}, "twin")
    text = "".join(ElementTree.fromstring(figures.for_file(chart)).itertext())
    for words in ("mean over 2 labels", "background orientation", "+5.0", "distance, R²", "0.00"):
        assert words in text


def test_only_rows_that_are_clear_of_0_are_coloured():
    accent = figures.LIGHT["encoder"]
    assert accent in difference_chart({"labels": [CLEAR, LEVEL]}, "twin")
    assert accent not in difference_chart({"labels": [LEVEL]}, "twin")


def test_a_difference_without_an_interval_is_a_grey_dot():
    chart = difference_chart({"labels": [PairedDifference("count", 0.05, None, None, 100)]}, "twin")
    assert figures.LIGHT["encoder"] not in chart
