import numpy as np
import pytest

from pipeline.interpret.stability import matched_similarity

RANDOM = np.random.default_rng(0)


def test_groups_in_another_order_are_the_same_groups():
    matrix = RANDOM.random((6, 5))
    assert matched_similarity(matrix, 3 * matrix[:, RANDOM.permutation(5)]) == pytest.approx(1)


def test_groups_that_tell_other_factors_are_not():
    first, second = np.zeros((4, 2)), np.zeros((4, 2))
    first[0, 0] = first[1, 1] = second[2, 0] = second[3, 1] = 1
    assert matched_similarity(first, second) == 0


def test_groups_that_tell_nothing_are_like_no_other():
    assert matched_similarity(np.zeros((3, 2)), np.zeros((3, 2))) == 0
    assert matched_similarity(-np.ones((3, 2)), np.ones((3, 2))) == 0
    assert matched_similarity(np.zeros((3, 0)), np.ones((3, 2))) == 0
