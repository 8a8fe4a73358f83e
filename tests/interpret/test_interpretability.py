"""Claims about the numbers of a code: planted structure is ranked as it should be, nothing is NaN."""

import math

import numpy as np
import pandas as pd
import pytest

from pipeline.data.labels import Label
from pipeline.interpret import skill
from pipeline.interpret.factors import read_factors
from pipeline.interpret.interpretability import Code, measure
from pipeline.interpret.multiinformation import measure_information
from pipeline.interpret.partitions import contiguous, random_partitions, singletons, split_order
from tests.interpret.planted import (
    DIM,
    FACTORS,
    NAMES,
    aligned,
    interpret_params,
    labels,
    planted,
    planted_factors,
    planted_metrics,
)


def values(name: str) -> dict[str, float]:
    return {code: found.metrics[name] for code, found in planted_metrics().items()}


@pytest.mark.parametrize(
    "name",
    ["modularity", "mig", "dci_disentanglement", "dci_completeness", "ablation_selectivity", "ablation_drop"],
)
def test_groups_a_rotation_inside_them_changes_nothing_one_across_them_loses(name: str):
    found = values(name)
    assert found["axis"] == pytest.approx(found["within"], abs=0.03)
    assert found["within"] > found["rotated"] + 0.2
    assert found["rotated"] > found["noise"] + 0.02
    assert found["noise"] == pytest.approx(0, abs=0.01)


@pytest.mark.parametrize("name", ["mig", "dci_disentanglement", "dci_completeness"])
def test_groups_random_partitions_tell_found_structure_from_none(name: str):
    """Where a group gathers what a rotation spread; an axis-aligned code is as good in any partition."""
    found = values(f"{name}_null_z")
    assert found["within"] > 5
    assert abs(found["rotated"]) < 3
    assert abs(found["noise"]) < 3


def test_sparsity_ranks_by_its_null():
    found, z = values("hoyer"), values("hoyer_null_z")
    assert found["axis"] > found["within"] > found["rotated"] + 0.1
    assert min(z["axis"], z["within"]) > 5
    assert max(abs(z["rotated"]), abs(z["noise"])) < 3
    assert found["noise"] > found["rotated"]  # so the bare number is no evidence of structure


@pytest.mark.parametrize("name", ["feature_probe_1", "dci_features_completeness"])
def test_features_every_rotation_loses(name: str):
    found = values(name)
    assert found["axis"] > found["within"] + 0.01
    assert found["within"] > found["rotated"] + 0.1
    assert found["rotated"] > found["noise"] + 0.1


def test_group_probing_needs_one_group_where_structure_is_planted():
    one, five = values("group_probe_1"), values("group_probe_5")
    for name in ("axis", "within"):
        assert one[name] == pytest.approx(five[name], abs=0.01)
    assert one["axis"] == pytest.approx(one["within"], abs=0.01)
    assert one["within"] > one["rotated"] + 0.05 > one["noise"]


def test_explicitness_is_the_same_under_rotation_and_nothing_for_noise():
    found = values("explicitness")
    assert found["axis"] == pytest.approx(found["within"], abs=0.002)
    assert found["axis"] == pytest.approx(found["rotated"], abs=0.002)
    assert found["axis"] > 0.4
    assert abs(found["noise"]) < 0.02


def test_multiinformation_finds_groups_that_gather_dependence():
    codes, _ = planted()
    found = {
        name: measure_information(code.test, code.partition, interpret_params())
        for name, code in codes.items()
    }
    for name in ("axis", "within"):
        assert found[name]["tc_between"] == pytest.approx(0, abs=0.05)
        assert found[name]["tc_null_z"] < -5
    assert found["rotated"]["tc_between"] > 1
    assert abs(found["rotated"]["tc_null_z"]) < 3
    assert abs(found["noise"]["tc_null_z"]) < 3
    assert found["noise"]["tc_total"] == pytest.approx(0, abs=0.03)  # least of all: low is not interpretable
    for metrics in found.values():
        assert metrics["tc_total"] == pytest.approx(metrics["tc_between"] + metrics["tc_within"])
        assert metrics["tc_ci95_low"] <= metrics["tc_total"] <= metrics["tc_ci95_high"]
        assert metrics["tc_noise_0.1"] < metrics["tc_total"] + 0.01


def test_where_purity_fails():
    """The purest top images are those of noise: they show what is frequent, and of a code that follows one
    factor they vary in all the others."""
    found = values("purity")
    assert found["noise"] > found["axis"]
    assert found["within"] > found["axis"]


def test_where_the_gap_of_single_features_fails():
    """It tells an aligned code from the others, but not groups that hold factors from a full mixture."""
    found = values("mig_features")
    assert found["axis"] > found["within"] + 0.3
    assert found["within"] < found["rotated"] + 0.05


def test_skill_is_a_ridge_regressions_score_on_the_test_split():
    codes, factors = planted()
    code = codes["within"]
    group, factor, l2 = code.partition[1], factors[1], 1e-3
    x, other = ((part - code.train.mean(0)) / code.train.std(0) for part in (code.train, code.test))
    x, other = x[:, group], other[:, group]
    centre = factor.train.mean(0)
    weights = np.linalg.solve(x.T @ x / len(x) + l2 * np.eye(4), x.T @ (factor.train - centre) / len(x))
    missed = ((factor.test - centre - other @ weights) ** 2).sum()
    expected = 1 - missed / ((factor.test - centre) ** 2).sum()
    moments = skill.read_moments(code.train, code.test, factors)
    assert skill.group_skill(moments, code.partition[None], l2)[0, 1, 1] == pytest.approx(expected, abs=1e-9)


def test_ablation_is_the_probes_score_with_the_group_at_its_mean():
    codes, factors = planted()
    code, l2 = codes["rotated"], 1e-3
    moments = skill.read_moments(code.train, code.test, factors)
    drops = skill.ablation_drops(moments, code.partition[None], l2)[0]
    x, other = ((part - code.train.mean(0)) / code.train.std(0) for part in (code.train, code.test))
    centre = factors[0].train.mean(0)
    weights = np.linalg.solve(x.T @ x / len(x) + l2 * np.eye(DIM), x.T @ (factors[0].train - centre) / len(x))

    def score(features: np.ndarray) -> float:
        target = factors[0].test - centre
        return 1 - ((target - features @ weights) ** 2).sum() / (target**2).sum()

    without = other.copy()
    without[:, code.partition[2]] = 0
    assert drops[0, 2] == pytest.approx(score(other) - score(without), abs=1e-9)


def test_images_without_a_label_are_left_out_of_that_factor_alone():
    train, test = labels(2000, 0), labels(2000, 1)
    features = aligned(train, 0), aligned(test, 1)
    whole = skill.read_moments(*features, planted_factors(train, test))
    for table in (train, test):
        table.loc[::3, "factor_0"] = -1
    some = skill.read_moments(*features, planted_factors(train, test))
    partition = split_order(np.arange(DIM), FACTORS)[None]
    before, after = (skill.group_skill(moments, partition, 1e-3)[0] for moments in (whole, some))
    np.testing.assert_allclose(before[1:], after[1:], atol=1e-9)
    assert after[0, 0] == pytest.approx(before[0, 0], abs=0.05)


def test_labels_that_others_tell_are_no_factors():
    table = labels(2000, 0)
    table["all"] = table.sum(axis=1).astype(np.float32)
    specs = {name: Label("categorical", ("off", "low", "middle", "high")) for name in table if name != "all"}
    factors, reasons = read_factors(table, table, specs | {"all": Label("real")})
    assert [factor.name for factor in factors] == [f"factor_{f}" for f in range(FACTORS)]
    assert reasons["all"].startswith("the other labels tell it")


def test_one_label_with_classes_gives_a_factor_per_class():
    table = pd.DataFrame({"class": np.arange(300) % 3})
    factors, reasons = read_factors(table, table, {"class": Label("categorical", ("cat", "dog", "owl"))})
    assert [factor.name for factor in factors] == ["cat", "dog", "owl"]
    assert not reasons


def assert_finite(metrics: dict[str, object]) -> None:
    for name, value in metrics.items():
        assert isinstance(value, str) or math.isfinite(value), name  # type: ignore[arg-type]


RANDOM = np.random.default_rng(3)
DEGENERATE = {
    "constant features": (np.ones((60, 8)), split_order(np.arange(8), 4)),
    "some constant features": (
        np.where(np.arange(8) < 4, 1.0, RANDOM.standard_normal((60, 8))),
        split_order(np.arange(8), 4),
    ),
    "all features zero": (np.zeros((60, 8)), split_order(np.arange(8), 4)),
    "one group": (RANDOM.standard_normal((60, 8)), np.arange(8)[None]),
    "one feature": (RANDOM.standard_normal((60, 1)), np.zeros((1, 1), dtype=np.int64)),
    "single features": (RANDOM.standard_normal((60, 8)), singletons(8)),
    "fewer images than features": (RANDOM.standard_normal((60, 100)), split_order(np.arange(100), 10)),
    "copies": (np.repeat(RANDOM.standard_normal((60, 1)), 8, axis=1), split_order(np.arange(8), 4)),
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
    found = measure(Code(features, features, partition), factors[:num_factors], interpret_params())
    assert_finite(found.metrics)
    assert np.isfinite(found.skill).all() and np.isfinite(found.drops).all()
    information = measure_information(features, partition, interpret_params())
    assert_finite(information)
    if name in ("constant features", "all features zero"):
        assert information["tc_total"] == information["tc_between"] == information["tc_energies"] == 0
        assert found.metrics["hoyer"] == 0
        assert found.metrics["dead_groups"] == 4
    if name == "one feature":
        assert information["tc_total"] == pytest.approx(0, abs=1e-9)
    if name == "one group":
        assert information["tc_between"] == pytest.approx(0, abs=1e-9)
        assert found.metrics["hoyer"] == found.metrics["gini"] == 0
    if name == "fewer images than features":
        assert "tc_total" not in information
        assert "too few for 100 features" in information["tc_not_estimated"]
    if name == "copies":
        assert information["tc_dropped"] == 7
        assert information["tc_total"] == pytest.approx(0, abs=1e-9)


def test_a_label_with_one_class_is_left_out():
    table = pd.DataFrame({"constant": np.zeros(60, dtype=int), "f": np.arange(60) % 2})
    specs = {"constant": Label("categorical", ("only", "never")), "f": Label("categorical", ("a", "b"))}
    factors, reasons = read_factors(table, table, specs)
    assert [factor.name for factor in factors] == ["f"]
    assert reasons == {"constant": "fewer than two classes or values in a split"}


def test_random_partitions_keep_sizes_and_features():
    partition = contiguous(11, 4)
    drawn = random_partitions(partition, 60, np.random.default_rng(0))
    assert drawn.shape == (60, *partition.shape)
    for other in drawn:
        assert ((other >= 0) == (partition >= 0)).all()
        assert sorted(other[other >= 0]) == list(range(11))
    assert len({other.tobytes() for other in drawn}) == 60


def test_every_code_of_the_planted_set_is_measured():
    assert set(planted_metrics()) == set(NAMES)
    for found in planted_metrics().values():
        assert_finite(found.metrics)
