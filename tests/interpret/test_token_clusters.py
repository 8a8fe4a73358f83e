"""Clusters of tokens: planted objects are found, nothing is found in noise, overlaps are as defined."""

import numpy as np
import pytest

from pipeline.interpret.token_clusters import (
    COLOUR_POSITION,
    GRID,
    best_overlap,
    cluster_metrics,
    cluster_tokens,
    controls,
    score_clusters,
)

GRID_SIDE, IMAGES = 4, 60


def owners(seed: int = 0) -> np.ndarray:
    """Two objects of four patches each, anywhere."""
    random = np.random.default_rng(seed)
    owner = np.zeros((IMAGES, GRID_SIDE**2), dtype=np.int64)
    for row in owner:
        places = random.permutation(GRID_SIDE**2)[:8]
        row[places[:4]], row[places[4:]] = 1, 2
    return owner


def tokens(owner: np.ndarray, strength: float) -> np.ndarray:
    """Each object of each image has a direction of its own."""
    random = np.random.default_rng(1)
    directions = random.standard_normal((IMAGES, 3, 8))
    noise = random.standard_normal((*owner.shape, 8))
    return noise + strength * np.take_along_axis(directions, owner[..., None], axis=1)


def test_planted_objects_are_found_and_noise_is_at_chance():
    owner = owners()
    found, noise = (
        cluster_metrics(score_clusters(cluster_tokens(tokens(owner, strength), 0), owner))
        for strength in (20.0, 0.0)
    )
    assert found["cluster_ari"] > 0.8 and found["cluster_mbo"] > 0.8
    assert noise["cluster_ari"] == pytest.approx(0, abs=0.1)
    assert noise["cluster_mbo"] < found["cluster_mbo"] - 0.3


def test_the_difference_to_the_control_is_paired():
    owner = owners()
    found, noise = (
        score_clusters(cluster_tokens(tokens(owner, strength), 0), owner) for strength in (20.0, 0.0)
    )
    metrics = cluster_metrics(found, noise)
    assert metrics["cluster_ari_less_control"] == pytest.approx(found.ari.mean() - noise.ari.mean())
    assert metrics["cluster_ari_less_control_ci95_low"] > 0.5
    same = cluster_metrics(found, found)
    assert same["cluster_ari_less_control_ci95_low"] == same["cluster_ari_less_control_ci95_high"] == 0


def test_controls_find_what_colour_shows_and_a_grid_looks_at_nothing():
    owner = owners()
    hues = np.array([[20, 20, 20], [250, 20, 20], [20, 250, 20]], dtype=np.uint8)
    pixels = hues[owner].reshape(IMAGES, GRID_SIDE, GRID_SIDE, 3).repeat(8, axis=1).repeat(8, axis=2)
    found = controls(pixels, GRID_SIDE, 0)
    assert cluster_metrics(score_clusters(found[COLOUR_POSITION], owner))["cluster_ari"] > 0.6
    assert found[GRID][0].reshape(4, 4).tolist() == [[0, 0, 1, 1], [0, 0, 1, 1], [2, 2, 3, 3], [2, 2, 3, 3]]
    # Without colour only the place is left.
    blank = controls(np.zeros_like(pixels) + np.uint8(9), GRID_SIDE, 0)
    assert cluster_metrics(score_clusters(blank[COLOUR_POSITION], owner))["cluster_ari"] < 0.2


def test_the_overlap_is_that_of_each_object_with_its_best_cluster():
    owner = np.array([[1, 1, 0, 0], [1, 2, 2, 0]])
    clusters = np.array([[0, 0, 0, 1], [0, 1, 1, 2]])
    assert best_overlap(owner, clusters).tolist() == [2 / 3, 1.0]


def test_equal_tokens_are_one_cluster_and_without_objects_there_is_no_score():
    same = np.ones((3, 16, 8))
    assert (cluster_tokens(same, 0) == 0).all()
    pair = np.concatenate([same[:, :8], 2 * same[:, 8:]], axis=1)
    assert [len(np.unique(row)) for row in cluster_tokens(pair, 0)] == [2, 2, 2]
    nothing = score_clusters(cluster_tokens(same, 0), np.zeros((3, 16), dtype=np.int64))
    assert cluster_metrics(nothing, nothing) == {}
