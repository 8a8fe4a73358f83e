"""Total correlation by neighbours and by counting, against cases whose truth is known, in nats."""

import numpy as np
import pytest
from sklearn.feature_selection import mutual_info_regression

from pipeline.interpret.knn_information import entropy, gate_total, knn_total
from pipeline.interpret.partitions import contiguous
from tests.interpret.correlated import blocks, copula, draw, truth

N = 10_000


def test_shared_gates_are_seen_by_their_patterns():
    random = np.random.default_rng(5)
    on = np.repeat(random.random((N, 8)) < 0.5, 8, axis=1)
    features = random.standard_normal((N, 64)) * on
    exact = (64 - 8) * np.log(2)
    assert exact == pytest.approx(38.8, abs=0.02)
    assert gate_total(features, contiguous(64, 8)) == pytest.approx(exact, abs=0.05)
    assert copula(features) < 5  # a lower bound, and a poor one
    assert gate_total(features, np.arange(64).reshape(8, 8).T) == pytest.approx(0, abs=0.05)  # other groups


def test_patterns_of_independent_gates_have_none_and_large_groups_are_counted_in_parts():
    random = np.random.default_rng(6)
    features = random.standard_normal((N, 40)) * (random.random((N, 40)) < 0.3)
    assert gate_total(features, contiguous(40, 2)) == pytest.approx(0, abs=0.15)
    assert gate_total(np.abs(features) + 1, contiguous(40, 2)) == 0  # never zero: no gates


@pytest.mark.parametrize("rho", [0.0, 0.5])
def test_neighbours_find_the_dependence_of_a_few_numbers(rho: float):
    R = blocks(8, 8, rho)
    assert knn_total(draw(R, 3000, 11), 5) == pytest.approx(truth(R), abs=0.3)


def test_neighbours_of_two_numbers_are_scikit_learns():
    x, y = draw(blocks(2, 2, 0.7), 1500, 12).T
    theirs = mutual_info_regression(x[:, None], y, n_neighbors=4, random_state=0)[0]
    assert knn_total(np.stack([x, y], axis=1), 4) == pytest.approx(theirs, abs=1e-3)


def test_counted_entropy_is_corrected():
    counts = np.bincount(np.random.default_rng(13).integers(16, size=400))
    plain = -(counts / 400 * np.log(counts / 400)).sum()
    assert abs(entropy(counts) - np.log(16)) < abs(plain - np.log(16))
