"""Corruptions keep shape and type, are the same each time, change the image, and as they should."""

import numpy as np
import pytest

from pipeline.embed.corruptions import CORRUPTIONS, NOISE, corrupt

IMAGES = np.random.default_rng(0).integers(40, 200, (6, 32, 32, 3), dtype=np.uint8)


@pytest.mark.parametrize("name", CORRUPTIONS)
def test_a_corruption_is_deterministic_and_changes_every_image(name: str):
    before = IMAGES.copy()
    first, again = corrupt(IMAGES, name), corrupt(IMAGES, name)
    assert np.array_equal(first, again) and np.array_equal(IMAGES, before)
    assert first.shape == IMAGES.shape and first.dtype == np.uint8
    assert (first != IMAGES).any((1, 2, 3)).all()


def test_each_does_what_it_says():
    grey = np.full_like(IMAGES, 100)
    noisy = corrupt(grey, "gaussian_noise").astype(float)
    assert noisy.std() == pytest.approx(255 * NOISE, rel=0.03) and noisy.mean() == pytest.approx(100, abs=1)
    assert np.abs(corrupt(grey, "gaussian_blur").astype(int) - 100).max() <= 1
    assert corrupt(IMAGES, "gaussian_blur").std() < 0.5 * IMAGES.std()
    assert corrupt(IMAGES, "contrast").std() == pytest.approx(0.4 * IMAGES.std(), rel=0.1)
    assert corrupt(grey, "brightness").mean() == pytest.approx(150, abs=1)
    squares = corrupt(IMAGES, "pixelate").reshape(6, 16, 2, 16, 2, 3)
    assert (squares == squares[:, :, :1, :, :1]).all()
    assert np.abs(corrupt(grey, "jpeg").astype(int) - 100).max() <= 2
