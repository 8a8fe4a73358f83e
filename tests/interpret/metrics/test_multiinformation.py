"""Groups that gather dependence are told from groups that do not."""

import numpy as np
import pytest

from pipeline.interpret.metrics.multiinformation import measure_information
from pipeline.interpret.partitions import contiguous, singletons
from tests.interpret.planted import interpret_params, planted


def test_multiinformation_finds_groups_that_gather_dependence():
    codes, _ = planted()
    by_code = {
        name: measure_information(code.test, code.partition, interpret_params())
        for name, code in codes.items()
    }
    for name in ("axis", "within"):
        assert by_code[name]["tc_between"] == pytest.approx(0, abs=0.05)
        assert by_code[name]["tc_null_z"] < -5
    assert by_code["rotated"]["tc_between"] > 1
    assert abs(by_code["rotated"]["tc_null_z"]) < 3
    assert abs(by_code["noise"]["tc_null_z"]) < 3
    assert by_code["noise"]["tc_total"] == pytest.approx(
        0, abs=0.03
    )  # least of all: low is not interpretable
    for metrics in by_code.values():
        assert metrics["tc_total"] == pytest.approx(metrics["tc_between"] + metrics["tc_within"])
        assert metrics["tc_ci95_low"] <= metrics["tc_total"] <= metrics["tc_ci95_high"]
        assert metrics["tc_noise_0.1"] < metrics["tc_total"] + 0.01
        assert metrics["tc_between_ci95_low"] < metrics["tc_between"] < metrics["tc_between_ci95_high"]


def test_the_interval_between_groups_is_that_of_the_whole_for_single_features_and_empty_for_one_group():
    features = np.random.default_rng(0).standard_normal((300, 6)) + np.arange(300)[:, None] / 100
    single = measure_information(features, singletons(6), interpret_params())
    for end in ("low", "high"):
        assert single[f"tc_between_ci95_{end}"] == pytest.approx(single[f"tc_ci95_{end}"])
    whole = measure_information(features, contiguous(6, 1), interpret_params())
    assert whole["tc_ci95_low"] < whole["tc_ci95_high"]
    for end in ("low", "high"):
        assert whole[f"tc_between_ci95_{end}"] == pytest.approx(0, abs=1e-9)
