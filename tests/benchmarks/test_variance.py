"""The share of variance between classes, on a run and in its limits."""

import sys

import numpy as np
import pytest

from benchmarks import variance


def test_features_that_are_the_class_have_all_variance_between_classes_and_noise_has_none():
    random = np.random.default_rng(0)
    classes = random.integers(0, 4, 4000)
    ones = np.eye(4)[classes]
    assert variance.share_between_classes(ones, classes) == pytest.approx(1)
    assert variance.share_between_classes(random.normal(size=(4000, 4)), classes) < 0.01
    unknown = np.where(classes == 0, -1, classes)
    mixed = np.c_[ones, 10 * random.normal(size=4000) * (classes == 0)]
    assert variance.share_between_classes(mixed, unknown) == pytest.approx(1)


def test_every_label_with_classes_has_a_row_with_both_views(finished_run):
    rows = variance.table(finished_run.root).set_index("label")
    assert {"count", "light", "distance_bucket"} <= set(rows.index) and "distance" not in rows.index
    assert rows[["encoder", "twin"]].apply(lambda shares: shares.between(0, 1)).all(axis=None)


def test_a_folder_without_a_run_is_one_line(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["variance", str(tmp_path)])
    assert variance.main() == 1
    assert capsys.readouterr().err.startswith("error: ")
