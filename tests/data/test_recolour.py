"""Changes of colour equal torchvision's, and depend on (seed, step) and the image's place alone."""

import numpy as np
import pytest
import torch
from conftest import default_tree, override
from torchvision.transforms.v2 import functional as reference

from pipeline.data import recolour
from pipeline.data.generators import generator
from pipeline.data.shard import Shard
from pipeline.params import AugmentParams

CHANGES = ("color_jitter", "grayscale", "blur", "solarize")
PIXELS = torch.from_numpy(np.random.default_rng(0).integers(256, size=(64, 32, 32, 3), dtype=np.uint8))
VALUES = PIXELS[:6].permute(0, 3, 1, 2).float() / 255
FACTORS = torch.tensor([0.2, 0.6, 0.9, 1.0, 1.3, 1.8])


def params(**changes: float) -> AugmentParams:
    return AugmentParams.model_validate(override(default_tree()["augment"], changes))


def draw(step: int = 0, seed: int = 0) -> torch.Generator:
    return generator(seed, step, "recolour")


@pytest.mark.parametrize("name", ["adjust_brightness", "adjust_contrast", "adjust_saturation"])
def test_each_factor_acts_as_torchvisions(name):
    ours = getattr(recolour, name)(VALUES, FACTORS)
    theirs = [getattr(reference, name)(image, float(f)) for image, f in zip(VALUES, FACTORS, strict=True)]
    torch.testing.assert_close(ours, torch.stack(theirs), atol=1e-3, rtol=0)


def test_grey_blur_and_solarisation_are_torchvisions():
    grey = reference.rgb_to_grayscale(VALUES, num_output_channels=3)
    torch.testing.assert_close(recolour.to_grey(VALUES), grey, atol=1e-3, rtol=0)
    torch.testing.assert_close(recolour.solarize(VALUES), reference.solarize(VALUES, 0.5))
    sigmas = torch.tensor([0.1, 0.5, 0.8, 1.0, 1.5, 2.0])
    theirs = [reference.gaussian_blur(x, [3, 3], [float(s)] * 2) for x, s in zip(VALUES, sigmas, strict=True)]
    torch.testing.assert_close(recolour.blur(VALUES, sigmas), torch.stack(theirs), atol=1e-5, rtol=0)


def test_a_turn_of_hue_keeps_the_grey_level_and_a_whole_turn_is_none():
    soft = 0.4 + 0.2 * VALUES  # so that nothing is cut off at 0 or 1
    turned = recolour.turn_hue(soft, torch.linspace(-0.2, 0.2, 6))
    assert (turned - soft).abs().max() > 0.01
    torch.testing.assert_close(recolour.to_grey(turned), recolour.to_grey(soft), atol=1e-5, rtol=0)
    torch.testing.assert_close(recolour.turn_hue(soft, torch.ones(6)), soft, atol=1e-5, rtol=0)


def test_off_is_off():
    assert not recolour.is_on(params())
    assert torch.equal(recolour.recolour(PIXELS, params(), draw()), PIXELS)


@pytest.mark.parametrize("change", CHANGES)
def test_a_share_of_the_images_changes_and_the_others_keep_every_bit(change):
    share = 0.5 if change == "color_jitter" else 0.4
    assert recolour.is_on(params(**{change: share}))
    after = recolour.recolour(PIXELS, params(**{change: share}), draw())
    same = (after == PIXELS).flatten(1).all(1)
    changed = int((~same).sum())
    expected = 64 * (0.8 if change == "color_jitter" else 0.4)
    assert abs(changed - expected) < 14


def test_changes_are_a_function_of_seed_and_step():
    every = params(**dict.fromkeys(CHANGES, 0.5))
    first = recolour.recolour(PIXELS, every, draw(1))
    assert torch.equal(first, recolour.recolour(PIXELS, every, draw(1)))
    assert not torch.equal(first, recolour.recolour(PIXELS, every, draw(2)))
    assert not torch.equal(first, recolour.recolour(PIXELS, every, draw(1, seed=1)))


@pytest.mark.parametrize("rank", [0, 1])
def test_an_image_gets_the_same_change_whoever_holds_it(rank):
    every, shard = params(**dict.fromkeys(CHANGES, 0.5)), Shard(rank, world_size=2, micro_batches=2)
    whole = recolour.recolour(PIXELS, every, draw())
    part = recolour.recolour(shard.rows(PIXELS), every, draw(), shard)
    assert (part.int() - shard.rows(whole).int()).abs().max() <= 1  # kernels of another size round otherwise
