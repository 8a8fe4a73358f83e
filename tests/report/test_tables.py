"""Claims about the probe tables and the numbers in them."""

import pytest

from pipeline.report.tables import kinds_table, number, order_views, points, probe_table, score
from tests.report import samples


def test_labels_are_sorted_by_gain_and_the_best_probe_is_marked():
    probe = samples.probe()
    labels = {name: views for name, views in probe["scenes"].items() if name in samples.ACCURACIES}
    table = probe_table(labels, probe["summary"]["scenes"], "accuracy")
    assert table is not None
    gains = [row.gain for row in table.rows if row.gain is not None]
    assert len(gains) == len(samples.ACCURACIES)
    assert gains == sorted(gains, reverse=True)
    best = {row.label: row.best for row in table.rows}
    assert best["shape"] == ("encoder",)
    assert best["background"] == ("pixels_pca",)


def test_a_gain_is_clear_where_the_intervals_do_not_overlap():
    table = probe_table(samples.probe()["scenes"], {}, "accuracy")
    assert table is not None
    clear = {row.label: row.clear for row in table.rows}
    assert clear["shape"]
    assert not clear["distance_bucket"]
    assert not clear["background"]


def test_a_count_has_its_own_interval_in_either_table():
    labels = samples.probe()["scenes"]
    found = {}
    for metric in ("accuracy", "r2"):
        table = probe_table(labels, {}, metric)
        assert table is not None
        found[metric] = next(row for row in table.rows if row.label == "count").scores["encoder"]
    assert (found["accuracy"].low, found["accuracy"].high) == pytest.approx((0.798, 0.826))
    assert (found["r2"].low, found["r2"].high) == pytest.approx((0.82, 0.84))


def test_real_labels_are_in_the_table_of_r2_alone():
    labels = {"distance": samples.probe()["scenes"]["distance"]}
    assert probe_table(labels, {}, "accuracy") is None
    assert probe_table(labels, {}, "r2") is not None


def test_a_label_that_could_not_be_probed_has_no_best_probe():
    table = probe_table({"shape": {"majority": {"accuracy": 1.0, "n_test": 3}}}, {}, "accuracy")
    assert table is not None
    assert table.rows[0].best == ()
    assert table.rows[0].gain is None


def test_views_that_the_page_does_not_know_come_last():
    found = order_views({"tokens", "majority", "encoder", "neurons"})
    assert found == ("encoder", "majority", "neurons", "tokens")


def test_numbers_as_text():
    assert score(0.6421, "accuracy") == "64.2"
    assert score(-0.021, "r2") == "−0.02"
    assert points(0.0812) == "+8.1"
    assert number(50000) == "50,000"
    assert number(0.0310049) == "0.031"
    assert number(None) == "–"


def test_kinds_of_probes_are_columns_with_the_deviation_of_few_labels():
    table = kinds_table(samples.probe()["summary"]["scenes"])
    assert table is not None
    assert table.kinds == ("linear probe", "linear probe as papers train it", "1 % of the labels", "k-NN")
    rows = dict(table.rows)
    assert rows["encoder"][2] == (0.345, 0.0123)
    assert rows["pixels_pca"][1:] == (None, None, None)
    assert kinds_table({"mean_accuracy": {"encoder": 0.5}, "mean_knn_accuracy": {}}) is None
