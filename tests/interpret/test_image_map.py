"""Claims about the map of images: principal components with a fixed sign; UMAP only where it is asked for."""

import importlib.util

import numpy as np
import pytest
from conftest import default_tree, override

from pipeline.files import ParamsError
from pipeline.interpret.image_map import check_umap, first_two, umap_places
from pipeline.params import InterpretParams, Params

RANDOM = np.random.default_rng(0)


def with_umap(on: bool) -> InterpretParams:
    return Params.model_validate(override(default_tree(), {"interpret.umap": on})).interpret


def test_the_map_has_the_two_directions_of_largest_variance():
    places = np.stack([5 * RANDOM.standard_normal(200), 2 * RANDOM.standard_normal(200)], axis=1)
    rotation = np.linalg.qr(RANDOM.standard_normal((6, 6)))[0][:2]
    found = first_two(places @ rotation)
    correlations = np.abs(np.corrcoef(found.T, places.T)[:2, 2:])
    assert correlations[0, 0] > 0.99 and correlations[1, 1] > 0.99
    assert found[:, 0].std() == pytest.approx(1)


def test_turned_features_give_the_same_map():
    features = RANDOM.standard_normal((50, 4)) * [4, 3, 2, 1]
    rotation = np.linalg.qr(RANDOM.standard_normal((4, 4)))[0]
    assert np.allclose(first_two(features @ rotation), first_two(features))


def test_features_that_do_not_vary_lie_in_one_place():
    assert np.ptp(first_two(np.ones((5, 3)))) == 0
    assert first_two(RANDOM.standard_normal((5, 1))).shape == (5, 2)


def test_umap_that_is_not_installed_is_named_before_anything_runs(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    check_umap(with_umap(False))
    with pytest.raises(ParamsError, match=r"^interpret\.umap: needs umap-learn"):
        check_umap(with_umap(True))


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_umap_keeps_two_clusters_apart_and_gives_the_same_map_twice():
    pytest.importorskip("umap")
    centres = np.zeros((2, 8))
    centres[0, 0], centres[1, 1] = 10, 10
    features = np.repeat(centres, 40, axis=0) + RANDOM.standard_normal((80, 8))
    places = umap_places(features, 0)
    spread = max(part.std(0).max() for part in (places[:40], places[40:]))
    assert np.linalg.norm(places[:40].mean(0) - places[40:].mean(0)) > 2 * spread
    assert np.array_equal(places, umap_places(features, 0))
