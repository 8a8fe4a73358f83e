"""Probes from second moments are the ridge regressions that they stand for."""

import numpy as np
import pytest

from pipeline.interpret import group_probes
from pipeline.interpret.partitions import contiguous
from tests.interpret.planted import DIM, FACTORS, aligned, labels, planted, planted_factors


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
    moments = group_probes.read_moments(code.train, code.test, factors)
    assert group_probes.group_skill(moments, code.partition[None], l2)[0, 1, 1] == pytest.approx(
        expected, abs=1e-9
    )


def test_ablation_is_the_probes_score_with_the_group_at_its_mean():
    codes, factors = planted()
    code, l2 = codes["rotated"], 1e-3
    moments = group_probes.read_moments(code.train, code.test, factors)
    drops = group_probes.ablation_drops(moments, code.partition[None], l2)[0]
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
    whole = group_probes.read_moments(*features, planted_factors(train, test))
    for table in (train, test):
        table.loc[::3, "factor_0"] = -1
    some = group_probes.read_moments(*features, planted_factors(train, test))
    partition = contiguous(DIM, FACTORS)[None]
    before, after = (group_probes.group_skill(moments, partition, 1e-3)[0] for moments in (whole, some))
    np.testing.assert_allclose(before[1:], after[1:], atol=1e-9)
    assert after[0, 0] == pytest.approx(before[0, 0], abs=0.05)
