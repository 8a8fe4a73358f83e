"""Claims about one label with many classes: each class has the numbers that it would have by itself, and what
is done for each class does not grow with the number of classes."""

import numpy as np
import pandas as pd
import pytest

from pipeline.data.labels import Label
from pipeline.interpret import dci, group_probes
from pipeline.interpret.code import Code
from pipeline.interpret.factors import Factor, read_factors
from pipeline.interpret.metrics.registry import measure_code
from pipeline.interpret.metrics.sparse_classification import ClassDiscriminants, LabelDiscriminants
from pipeline.interpret.partitions import contiguous, from_labels
from pipeline.interpret.tables import FEW_FACTORS, MOST_FACTORS, listed_factors
from tests.interpret.planted import interpret_params, planted

DIM, L2 = 24, 1e-3
EQUAL = contiguous(DIM, 6)
UNEQUAL = from_labels(np.repeat(np.arange(5), [1, 2, 4, 7, 10]))


def images_of(
    classes: int, images: int, unknown: bool = False
) -> tuple[np.ndarray, np.ndarray, list[Factor]]:
    """Features of both splits and a factor a class; unknown: every seventh image has no class."""
    random = np.random.default_rng(classes)
    centres = random.standard_normal((classes, DIM))
    features, tables = [], []
    for count in (images, images // 2):
        label = np.arange(count) % classes
        features.append(centres[label] + random.standard_normal((count, DIM)))
        tables.append(pd.DataFrame({"class": np.where(unknown & (np.arange(count) % 7 == 0), -1, label)}))
    names = tuple(f"class {number}" for number in range(classes))
    factors, _ = read_factors(tables[0], tables[1], {"class": Label("categorical", names)})
    return features[0], features[1], factors


@pytest.mark.parametrize("partition", [EQUAL, UNEQUAL], ids=["equal", "unequal"])
@pytest.mark.parametrize("unknown", [False, True])
def test_discriminants_of_all_classes_at_once_are_those_of_each_class(partition: np.ndarray, unknown: bool):
    train, test, factors = images_of(12, 900, unknown)
    at_once, by_class = (kind(factors, train, test, L2) for kind in (ClassDiscriminants, LabelDiscriminants))
    moments = group_probes.read_moments(train, test, factors)
    for probed in (1, 3):
        best = group_probes.best_groups(moments, partition, probed, L2)
        scores = at_once.accuracies(partition, best)
        assert scores == pytest.approx(by_class.accuracies(partition, best), abs=1e-12)
        assert scores.min() > 0 and len(set(scores)) > 6


@pytest.mark.parametrize("partition", [EQUAL, UNEQUAL], ids=["equal", "unequal"])
@pytest.mark.parametrize("labels", [1, 4])
def test_a_probe_of_several_groups_is_that_of_their_union(partition: np.ndarray, labels: int):
    """Of one label with many classes, and of several labels with several columns each."""
    if labels == 1:
        train, test, factors = images_of(12, 900)
    else:
        codes, factors = planted()
        code = codes["rotated"]
        train, test = (np.pad(part, ((0, 0), (0, DIM - part.shape[1]))) for part in (code.train, code.test))
    moments = group_probes.read_moments(train, test, factors)
    best = group_probes.best_groups(moments, partition, 2, L2)
    skill = group_probes.sparse_probing(moments, partition, best, L2)
    for number, groups in enumerate(best):
        union = np.sort(partition[groups][partition[groups] >= 0])[None, None]
        assert skill[number] == pytest.approx(
            group_probes.group_skill(moments, union, L2)[0, number, 0], abs=1e-12
        )


def test_groups_of_unequal_size_are_solved_by_size_and_in_steps_with_the_same_result(
    monkeypatch: pytest.MonkeyPatch,
):
    train, test, factors = images_of(12, 900)
    moments = group_probes.read_moments(train, test, factors)
    whole = group_probes.group_skill(moments, UNEQUAL[None], L2)
    drops = group_probes.ablation_drops(moments, UNEQUAL[None], L2)
    for at, group in enumerate(UNEQUAL):
        alone = group_probes.group_skill(moments, group[group >= 0][None, None], L2)
        np.testing.assert_allclose(whole[0, :, at], alone[0, :, 0], atol=1e-12)
    steps = [rows.tolist() for rows, _ in group_probes.equal_sizes(np.repeat(UNEQUAL, 3, axis=0), 12)]
    assert steps == [[0, 1, 2], [3, 4, 5], [6, 7, 8], [9, 10, 11], [12, 13, 14]]
    monkeypatch.setattr(group_probes, "LARGEST_STEP", 2 * 7 * 12)
    steps = [rows.tolist() for rows, _ in group_probes.equal_sizes(np.repeat(UNEQUAL, 3, axis=0), 12)]
    assert steps[3:] == [[9, 10], [11], [12], [13], [14]]
    np.testing.assert_allclose(group_probes.group_skill(moments, UNEQUAL[None], L2), whole, atol=1e-12)
    np.testing.assert_allclose(group_probes.ablation_drops(moments, UNEQUAL[None], L2), drops, atol=1e-12)


def test_images_of_every_bin_and_class_are_counted_whichever_class_is_commonest():
    random = np.random.default_rng(0)
    bins = random.integers(4, size=(200, 3))
    counted = dci.count_bins(bins, 4)
    for shares in ([0.9, 0.1], [0.1, 0.9], [0.2, 0.5, 0.3]):
        classes = random.choice(len(shares), size=200, p=shares)
        joint = counted.joint(classes, len(shares))
        for feature in range(3):
            for label in range(len(shares)):
                expected = np.bincount(bins[classes == label, feature], minlength=4)
                assert joint[feature, :, label].tolist() == expected.tolist()


def test_systems_are_solved_and_bins_counted_as_often_for_many_classes_as_for_few(
    monkeypatch: pytest.MonkeyPatch,
):
    """Of the same images. With a call for each class and partition, 1,500 classes took over 20 minutes."""
    solve, joint = np.linalg.solve, dci.BinnedImages.joint
    work: dict[str, int] = {}

    def counted_solve(a: np.ndarray, b: np.ndarray) -> np.ndarray:
        work["calls"] += 1
        return solve(a, b)

    class Cells(np.ndarray):
        def __getitem__(self, key: object) -> np.ndarray:
            found = np.asarray(self)[key]  # pyright: ignore
            work["cells"] += found.size
            return found

    def counted_joint(self: dci.BinnedImages, classes: np.ndarray, num_classes: int) -> np.ndarray:
        return joint(dci.BinnedImages(self.cells.view(Cells), self.totals), classes, num_classes)

    monkeypatch.setattr(np.linalg, "solve", counted_solve)
    monkeypatch.setattr(dci.BinnedImages, "joint", counted_joint)
    found = []
    for classes in (10, 150):
        train, test, factors = images_of(classes, 900)
        assert len(factors) == classes
        work |= {"calls": 0, "cells": 0}
        measure_code(Code(train, test, EQUAL), factors, interpret_params())
        found.append(dict(work))
    few, many = found
    assert few["cells"] == many["cells"] == 2 * (900 + 450) * DIM  # in their order, and permuted
    assert 0 < many["calls"] == few["calls"]


def test_a_code_without_groups_has_no_numbers():
    train, test, factors = images_of(12, 900)
    moments = group_probes.read_moments(train, test, factors)
    none = np.zeros((0, 3), dtype=np.int64)
    assert group_probes.group_skill(moments, none[None], L2).shape == (1, 12, 0)
    assert group_probes.ablation_drops(moments, none[None], L2).shape == (1, 12, 0)
    best = group_probes.best_groups(moments, none, 5, L2)
    assert best.shape == (12, 0) and not group_probes.sparse_probing(moments, none, best, L2).any()


def test_the_table_of_groups_lists_all_factors_or_those_that_a_group_tells_best():
    random = np.random.default_rng(0)
    assert listed_factors(random.random((MOST_FACTORS, 4))).tolist() == list(range(MOST_FACTORS))
    best = random.permutation(3 * MOST_FACTORS)
    skill = np.stack([best - 1000.0, best - 2000.0], axis=1)
    assert listed_factors(skill).tolist() == np.flatnonzero(best >= 3 * MOST_FACTORS - FEW_FACTORS).tolist()
    assert listed_factors(np.zeros((0, 4))).tolist() == []
