"""Claims about the numbers of a code: planted structure is ranked as it should be, nothing is NaN."""

import math

import numpy as np
import pandas as pd
import pytest

from pipeline.data.labels import Label
from pipeline.interpret.code import Code
from pipeline.interpret.code_statistics import CodeStatistics
from pipeline.interpret.factors import read_factors
from pipeline.interpret.metrics.registry import METRICS, measure_code
from pipeline.interpret.partitions import contiguous, singletons
from tests.interpret.planted import NAMES, interpret_params, planted, planted_metrics


def values(name: str) -> dict[str, float]:
    return {code: measured.metrics[name] for code, measured in planted_metrics().items()}


@pytest.mark.parametrize(
    "name",
    ["modularity", "mig", "dci_disentanglement", "dci_completeness", "ablation_selectivity", "ablation_drop"],
)
def test_groups_a_rotation_inside_them_changes_nothing_one_across_them_loses(name: str):
    scores = values(name)
    assert scores["axis"] == pytest.approx(scores["within"], abs=0.03)
    assert scores["within"] > scores["rotated"] + 0.2
    assert scores["rotated"] > scores["noise"] + 0.02
    assert scores["noise"] == pytest.approx(0, abs=0.01)


@pytest.mark.parametrize("name", ["mig", "dci_disentanglement", "dci_completeness"])
def test_groups_random_partitions_tell_found_structure_from_none(name: str):
    """Where a group gathers what a rotation spread; an axis-aligned code is as good in any partition."""
    scores = values(f"{name}_null_z")
    assert scores["within"] > 5
    assert abs(scores["rotated"]) < 3
    assert abs(scores["noise"]) < 3


def test_sparsity_ranks_by_its_null():
    scores, z = values("hoyer"), values("hoyer_null_z")
    assert scores["axis"] > scores["within"] > scores["rotated"] + 0.1
    assert min(z["axis"], z["within"]) > 5
    assert max(abs(z["rotated"]), abs(z["noise"])) < 3
    assert scores["noise"] > scores["rotated"]  # so the bare number is no evidence of structure


@pytest.mark.parametrize("name", ["feature_probe_1", "dci_features_completeness"])
def test_features_every_rotation_loses(name: str):
    scores = values(name)
    assert scores["axis"] > scores["within"] + 0.01
    assert scores["within"] > scores["rotated"] + 0.1
    assert scores["rotated"] > scores["noise"] + 0.1


def test_group_probing_needs_one_group_where_structure_is_planted():
    one, five = values("group_probe_1"), values("group_probe_5")
    for name in ("axis", "within"):
        assert one[name] == pytest.approx(five[name], abs=0.01)
    assert one["axis"] == pytest.approx(one["within"], abs=0.01)
    assert one["within"] > one["rotated"] + 0.05 > one["noise"]


def test_explicitness_is_the_same_under_rotation_and_nothing_for_noise():
    scores = values("explicitness")
    assert scores["axis"] == pytest.approx(scores["within"], abs=0.002)
    assert scores["axis"] == pytest.approx(scores["rotated"], abs=0.002)
    assert scores["axis"] > 0.4
    assert abs(scores["noise"]) < 0.02


@pytest.mark.parametrize("name", ["consistency_groups", "consistency_features"])
def test_top_images_are_of_one_factor_where_structure_is_planted(name: str):
    scores = values(name)
    assert min(scores["axis"], scores["within"]) > scores["rotated"] + 0.05 > scores["noise"] + 0.05
    z = values(f"{name}_null_z")
    assert min(z["axis"], z["within"]) > 3 and abs(z["noise"]) < 3


def test_classification_by_few_units_ranks_the_planted_codes():
    """By features every rotation loses, by groups only one across them; of noise nothing is told."""
    of_features, of_groups = values("feature_accuracy_1"), values("group_accuracy_1")
    assert of_features["axis"] > of_features["within"] + 0.1 > of_features["rotated"] + 0.2
    assert of_groups["axis"] == of_groups["within"] == 1 > of_groups["rotated"] + 0.2
    for name in ("feature_accuracy", "group_accuracy"):
        assert values(f"{name}_5")["noise"] == pytest.approx(0, abs=0.02)
        assert values(f"{name}_5")["rotated"] > values(f"{name}_1")["rotated"] + 0.2


def test_where_the_gap_of_single_features_fails():
    """It tells an aligned code from the others, but not groups that hold factors from a full mixture."""
    scores = values("mig_features")
    assert scores["axis"] > scores["within"] + 0.3
    assert scores["within"] < scores["rotated"] + 0.05


def assert_finite(metrics: dict[str, object]) -> None:
    for name, value in metrics.items():
        assert isinstance(value, str) or math.isfinite(value), name  # type: ignore[arg-type]


RANDOM = np.random.default_rng(3)
DEGENERATE = {
    "constant features": (np.ones((60, 8)), contiguous(8, 4)),
    "some constant features": (
        np.where(np.arange(8) < 4, 1.0, RANDOM.standard_normal((60, 8))),
        contiguous(8, 4),
    ),
    "all features zero": (np.zeros((60, 8)), contiguous(8, 4)),
    "one group": (RANDOM.standard_normal((60, 8)), np.arange(8)[None]),
    "one feature": (RANDOM.standard_normal((60, 1)), np.zeros((1, 1), dtype=np.int64)),
    "single features": (RANDOM.standard_normal((60, 8)), singletons(8)),
    "fewer images than features": (RANDOM.standard_normal((60, 100)), contiguous(100, 10)),
    "copies": (np.repeat(RANDOM.standard_normal((60, 1)), 8, axis=1), contiguous(8, 4)),
    "groups of unequal size": (RANDOM.standard_normal((60, 7)), contiguous(7, 3)),
}


@pytest.mark.parametrize("name", DEGENERATE)
@pytest.mark.parametrize("num_factors", [0, 1, 3])
def test_degenerate_input_has_defined_values(name: str, num_factors: int):
    features, partition = DEGENERATE[name]
    table = pd.DataFrame({f"f{k}": RANDOM.integers(2, size=60) for k in range(num_factors)})
    factors = read_factors(
        table, table, {f"f{k}": Label("categorical", ("a", "b")) for k in range(num_factors)}
    )[0]
    code = Code(features, features, partition)
    measured = measure_code(code, factors[:num_factors], interpret_params())
    metrics = measured.metrics
    assert_finite(metrics)
    assert np.isfinite(measured.skill).all() and np.isfinite(measured.drops).all()
    if name in ("constant features", "all features zero"):
        assert metrics["tc_total"] == metrics["tc_between"] == metrics["tc_energies"] == 0
        assert metrics["hoyer"] == 0
        assert metrics["dead_groups"] == 4
    if name == "one feature":
        assert metrics["tc_total"] == pytest.approx(0, abs=1e-9)
    if name == "one group":
        assert metrics["tc_between"] == pytest.approx(0, abs=1e-9)
        assert metrics["hoyer"] == metrics["gini"] == 0
    if name == "fewer images than features":
        assert "tc_total" not in metrics
        assert "too few for 100 features" in metrics["tc_not_estimated"]
    if name == "copies":
        assert metrics["tc_dropped"] == 7
        assert metrics["tc_total"] == pytest.approx(0, abs=1e-9)


def test_every_code_of_the_planted_set_is_measured():
    assert set(planted_metrics()) == set(NAMES)
    for measured in planted_metrics().values():
        assert_finite(measured.metrics)


def kurtosis(statistics: CodeStatistics) -> dict[str, float]:
    return {"kurtosis": float((statistics.scaled**4).mean())}


def test_a_metric_is_one_function_in_the_registry():
    codes, factors = planted()
    measured = measure_code(codes["noise"], factors, interpret_params(), (*METRICS, kurtosis))
    assert measured.metrics["kurtosis"] == pytest.approx(3, abs=0.2)  # of normal features
    assert list(measured.metrics) == [*planted_metrics()["noise"].metrics, "kurtosis"]
    without = {name: value for name, value in measured.metrics.items() if name != "kurtosis"}
    assert without == planted_metrics()["noise"].metrics
