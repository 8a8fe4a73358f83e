"""Groups that gather dependence are told from groups that do not."""

import pytest

from pipeline.interpret.metrics.multiinformation import measure_information
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
