"""Curves at equal numbers of active units: what is kept, and a code that they should favour."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.interpret.active_units import (
    active_unit_curves,
    linear_accuracy,
    nearest_accuracy,
    strongest_groups,
    strongest_units,
)
from pipeline.interpret.build_codes import build_codes
from pipeline.interpret.partitions import contiguous
from tests.interpret.planted import interpret_params, planted_factors, rotations

RANDOM = np.random.default_rng(0)


@given(units=st.integers(1, 8), seed=st.integers(0, 100))
def test_the_strongest_units_are_kept_and_all_others_are_zero(units: int, seed: int):
    features = np.random.default_rng(seed).standard_normal((5, 8))
    kept = strongest_units(features, units)
    assert ((kept != 0).sum(1) == units).all()
    assert (kept[kept != 0] == features[kept != 0]).all()
    weakest_kept = np.where(kept != 0, np.abs(features), np.inf).min(1)
    strongest_lost = np.where(kept == 0, np.abs(features), 0).max(1)
    assert (weakest_kept >= strongest_lost).all()


def test_whole_groups_are_kept_those_of_highest_energy():
    features = np.array([[1.0, 1.0, 0.0, 9.0, 2.0, 2.0], [5.0, 5.0, 0.0, 1.0, 0.0, 2.0]])
    kept = strongest_groups(features, contiguous(6, 3), 4)
    assert kept.tolist() == [[0, 0, 0, 9, 2, 2], [5, 5, 0, 0, 0, 2]]


def test_both_probes_tell_separate_classes_and_not_noise():
    classes = RANDOM.integers(4, size=400).astype(np.int64)
    classes[:50] = -1  # not known, so not counted
    told = np.eye(4)[np.maximum(classes, 0)] + 0.01 * RANDOM.standard_normal((400, 4))
    noise = RANDOM.standard_normal((400, 4))
    labels = [(classes[:300], classes[300:])]
    assert linear_accuracy(told[:300], told[300:], labels, 1e-3) == 1
    assert nearest_accuracy(told[:300], told[300:], labels) == 1  # unknown ones look like class 0
    nothing = [(classes[:300], np.full(100, -1))]
    assert nearest_accuracy(told[:300], told[300:], nothing) == 0
    assert linear_accuracy(noise[:300], noise[300:], labels, 1e-3) < 0.5
    assert nearest_accuracy(noise[:300], noise[300:], labels) < 0.5


def test_a_sparse_code_loses_less_than_the_same_turned_at_random():
    """Planted: one of 16 units is on in an image, and says its class. All together tell as much turned."""
    codes = {}
    labels = [RANDOM.integers(16, size=1500) for _ in range(2)]
    rotation = rotations()["rotated"]
    for name, turn in (("sparse", np.eye(16)), ("turned", rotation)):
        views = [
            {"encoder": (np.eye(16)[part] + 0.2 * RANDOM.standard_normal((1500, 16))) @ turn}
            for part in labels
        ]
        train, test = ({**view, "sae": np.maximum(view["encoder"], 0)} for view in views)
        codes[name] = build_codes(train, test, None, 4, interpret_params())
    tables = [pd.DataFrame({"label": part % 4, "other": part // 4}).astype(np.int16) for part in labels]
    factors = planted_factors(*tables)
    curves = {
        name: pd.DataFrame(active_unit_curves(of_run, factors, interpret_params())).query("code == 'encoder'")
        for name, of_run in codes.items()
    }
    accuracy = {name: rows.set_index("units")["accuracy"] for name, rows in curves.items()}
    assert accuracy["sparse"].loc[2] > accuracy["turned"].loc[2] + 0.1
    assert accuracy["sparse"].loc[16] == pytest.approx(accuracy["turned"].loc[16], abs=0.03)
    assert active_unit_curves(codes["sparse"], [], interpret_params()) == []
