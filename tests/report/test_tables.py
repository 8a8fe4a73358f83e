"""Claims about the probe tables and the numbers in them."""

import pytest

from pipeline.report.inputs import Inputs
from pipeline.report.tables import (
    decimals,
    duration,
    kinds_table,
    number,
    order_views,
    points,
    probe_table,
    score,
)
from tests.report.samples import gains


def test_labels_are_sorted_by_gain_and_the_best_probe_is_marked(inputs: Inputs):
    table = probe_table(gains(inputs.probe.sets["scenes"]), inputs.probe.summary["scenes"], "accuracy")
    assert table is not None
    assert [row.label for row in table.rows] == ["shape", "bucket", "background"]
    best = {row.label: row.best for row in table.rows}
    assert best["shape"] == ("encoder",)
    assert best["background"] == ("pixels_pca",)


def test_a_gain_is_clear_where_the_intervals_do_not_overlap(inputs: Inputs):
    table = probe_table(gains(inputs.probe.sets["scenes"]), None, "accuracy")
    assert table is not None
    assert {row.label: row.clear for row in table.rows} == {
        "shape": True,
        "bucket": False,
        "background": False,
    }


def test_without_intervals_no_gain_is_clear(inputs: Inputs):
    labels = gains(inputs.probe.sets["scenes"])
    nothing = {"ci95_low": None, "ci95_high": None}
    shape = {view: scores.model_copy(update=nothing) for view, scores in labels["shape"].items()}
    table = probe_table({"shape": shape}, None, "accuracy")
    assert table is not None
    assert not table.rows[0].clear


def test_a_count_has_its_own_interval_in_either_table(inputs: Inputs):
    labels = inputs.probe.sets["scenes"]
    encoder = labels["count"]["encoder"]
    for metric, ends in (
        ("accuracy", (encoder.ci95_low, encoder.ci95_high)),
        ("r2", (encoder.r2_ci95_low, encoder.r2_ci95_high)),
    ):
        table = probe_table(labels, None, metric)
        assert table is not None
        cell = next(row for row in table.rows if row.label == "count").scores["encoder"]
        assert (cell.low, cell.high) == pytest.approx(ends)
        assert cell.low != cell.high


def test_real_labels_are_in_the_table_of_r2_alone(inputs: Inputs):
    labels = {"distance": inputs.probe.sets["scenes"]["distance"]}
    assert probe_table(labels, None, "accuracy") is None
    assert probe_table(labels, None, "r2") is not None


def test_a_label_that_could_not_be_probed_has_no_best_probe(inputs: Inputs):
    views = inputs.probe.sets["scenes"]["shape"]
    table = probe_table({"shape": {"majority": views["majority"]}}, None, "accuracy")
    assert table is not None
    assert table.rows[0].best == ()
    assert table.rows[0].gain is None


def test_views_that_the_page_does_not_know_come_last():
    order = order_views({"tokens", "majority", "encoder", "neurons"})
    assert order == ("encoder", "majority", "neurons", "tokens")


def test_numbers_as_text():
    assert score(0.6421, "accuracy") == "64.2"
    assert score(-0.021, "r2") == "−0.02"
    assert points(0.0812) == "+8.1"
    assert points(-0.0812) == "−8.1"
    assert points(0.0003) == points(-0.0003) == "0.0"
    assert decimals(-0.004, 2) == "0.00"
    assert [duration(minutes) for minutes in (3.64, 0.0517, None)] == ["3.6 min", "3 s", "–"]
    assert number(50000) == "50,000"
    assert number(0.0310049) == "0.031"
    assert number(None) == "–"


def test_kinds_of_probes_are_columns_with_the_deviation_of_few_labels(inputs: Inputs):
    summary = inputs.probe.summary["scenes"]
    table = kinds_table(summary)
    assert table is not None
    assert table.kinds == ("linear probe", "linear probe as papers train it", "20 % of the labels", "k-NN")
    means = summary.means
    rows = dict(table.rows)
    assert rows["encoder"][2] == (means["accuracy_20pct"]["encoder"], means["accuracy_20pct_sd"]["encoder"])
    one_kind = {key: {} for key in ("mean_knn_accuracy", "mean_sgd_accuracy", "mean_accuracy_20pct")}
    assert kinds_table(summary.model_copy(update=one_kind)) is None
