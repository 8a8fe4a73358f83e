"""Claims about nearest images: by angle from the mean, without the query, nearest first."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from pipeline.interpret.neighbors import nearest


def test_the_nearest_image_points_the_same_way_from_the_mean():
    features = np.array([[1.0, 0.0], [3.0, 0.1], [-1.0, 0.0], [-3.0, -0.1]])
    found, cosines = nearest(features, np.array([0, 2]), 2)
    assert found[:, 0].tolist() == [1, 3]
    assert np.all(np.diff(cosines, axis=1) <= 0)


@given(st.integers(2, 12), st.integers(1, 6), st.integers(0, 99))
def test_a_query_is_not_its_own_neighbour_and_an_offset_changes_nothing(images: int, most: int, seed: int):
    features = np.random.default_rng(seed).standard_normal((images, 4))
    queries = np.arange(images)
    found, _ = nearest(features, queries, most)
    assert found.shape == (images, min(most, images - 1))
    assert not (found == queries[:, None]).any()
    assert np.array_equal(nearest(features + 7.0, queries, most)[0], found)
