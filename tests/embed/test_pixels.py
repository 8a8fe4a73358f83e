import numpy as np
import torch

from pipeline.embed import pixels


def pictures(num_images: int = 500, size: int = 8) -> np.ndarray:
    """Smooth pictures: a few strong directions over weak noise."""
    random = np.random.default_rng(0)
    waves = random.normal(size=(6, size, size, 3)) * np.array([50, 40, 30, 20, 15, 10])[:, None, None, None]
    mixed = np.einsum("nk,khwc->nhwc", random.normal(size=(num_images, 6)), waves)
    return np.clip(127 + mixed + random.normal(size=mixed.shape), 0, 255).astype(np.uint8)


def test_components_agree_with_the_exact_ones():
    images = pictures()
    projected = pixels.fit_pixel_components(images, 4)(images)
    flat = images.reshape(500, -1) / 255.0
    centred = flat - flat.mean(0)
    exact = centred @ np.linalg.svd(centred, full_matrices=False)[2][:4].T
    np.testing.assert_allclose(np.abs(projected), np.abs(exact), atol=1e-3)


def test_directions_are_orthonormal():
    directions = pixels.fit_pixel_components(pictures(), 32).directions
    torch.testing.assert_close(directions.T @ directions, torch.eye(32), atol=1e-5, rtol=0)


def test_chunks_do_not_change_the_result(monkeypatch):
    images = pictures()
    components = pixels.fit_pixel_components(images, 5)
    whole = components(images)
    monkeypatch.setattr(pixels, "CHUNK_NUMBERS", 192 * 7)
    np.testing.assert_allclose(components(images), whole, atol=1e-5)


def test_few_images_give_few_components_and_the_same_image_gives_zero():
    assert pixels.fit_pixel_components(pictures(5), 64)(pictures(9)).shape == (9, 5)
    same = np.full((20, 8, 8, 3), 77, np.uint8)
    assert np.abs(pixels.fit_pixel_components(same, 4)(same)).max() < 1e-5


def test_the_global_generator_is_left_alone():
    state = torch.get_rng_state()
    pixels.fit_pixel_components(pictures(), 4)
    assert torch.equal(state, torch.get_rng_state())


def test_patches_are_cut_image_by_image_in_raster_order():
    images = pictures(3)
    patches = pixels.cut_patches(images, 4).reshape(3, 4, 4, 4, 3)
    assert np.array_equal(patches[1, 0], images[1, :4, :4])
    assert np.array_equal(patches[1, 1], images[1, :4, 4:])
    assert np.array_equal(patches[2, 2], images[2, 4:, :4])
