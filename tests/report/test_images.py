"""Claims about tiles of images and masks."""

import numpy as np
import pytest

from pipeline.report import images


def test_the_context_tile_shows_the_context_and_nothing_else():
    image = np.random.default_rng(0).integers(0, 256, (32, 32, 3), dtype=np.uint8)
    whole, drawn = images.tile(image, 4), images.context_tile(image, np.array([0, 5]), 4)
    same = (whole == drawn).all(axis=2).reshape(4, 24, 4, 24).all(axis=(1, 3)).ravel()
    assert np.flatnonzero(same).tolist() == [0, 5]


def test_the_target_tile_shows_the_inside_of_every_block():
    image = np.random.default_rng(0).integers(0, 256, (32, 32, 3), dtype=np.uint8)
    whole, drawn = (
        images.tile(image, 4),
        images.target_tile(image, np.array([[0, 1, 4, 5], [10, 11, 14, 15]]), 4),
    )
    for inside in (slice(2, 46), slice(53, 91)):
        assert np.array_equal(whole[inside, inside], drawn[inside, inside])
    assert tuple(drawn[0, 0]) == (90, 165, 247)  # the outline of the first block


@pytest.mark.parametrize(("size", "grid"), [(32, 4), (32, 16), (224, 14)])
def test_tiles_are_whole_patches_wide(size: int, grid: int):
    drawn = images.tile(np.zeros((size, size, 3), dtype=np.uint8), grid)
    assert drawn.shape[0] % grid == 0
    assert 48 <= drawn.shape[0] <= 96
