"""Augmentation: seeded, inside the image, off where a label forbids it."""

import torch
from conftest import default_tree, override
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.data.augment import allowed, augment_batch
from pipeline.data.generators import generator
from pipeline.data.labels import Label
from pipeline.data.normalise import normalise
from pipeline.params import AugmentParams


def params(**changes: object) -> AugmentParams:
    return AugmentParams.model_validate(override(default_tree()["augment"], changes))


OFF = {"crop_scale": [1, 1], "crop_ratio": [1, 1], "flip": False}


def images(batch: int = 16) -> torch.Tensor:
    return torch.randn(batch, 3, 16, 16, generator=torch.Generator().manual_seed(0))


def test_normalise_gives_each_channel_mean_zero_and_deviation_one():
    pixels = torch.randint(0, 256, (50, 8, 8, 3), dtype=torch.uint8)
    scaled = pixels.double() / 255
    mean, std = scaled.mean((0, 1, 2)).tolist(), scaled.std((0, 1, 2)).tolist()
    channels = normalise(pixels, mean, std)
    assert channels.shape == (50, 3, 8, 8) and channels.dtype == torch.float32
    assert torch.allclose(channels.mean((0, 2, 3)), torch.zeros(3), atol=1e-5)
    assert torch.allclose(channels.std((0, 2, 3)), torch.ones(3), atol=1e-4)


def test_everything_off_is_the_identity():
    assert torch.equal(augment_batch(images(), params(**OFF), generator(0, 0, "augment")), images())


def test_flip_mirrors_about_half_of_the_images_and_leaves_the_others():
    before = images(400)
    after = augment_batch(before, params(**OFF | {"flip": True}), generator(0, 0, "augment"))
    same = (after == before).flatten(1).all(1)
    mirrored = (after == before.flip(3)).flatten(1).all(1)
    assert (same | mirrored).all()
    assert 150 < int(mirrored.sum()) < 250


@settings(max_examples=20)
@given(low=st.floats(0.1, 1), ratio=st.floats(1, 2), seed=st.integers(0, 999))
def test_a_crop_stays_inside_the_image(low, ratio, seed):
    """Of a horizontal ramp, a crop without flip is a ramp whose values the image has, at most as steep."""
    ramp = torch.linspace(-1, 1, 16).expand(8, 3, 16, 16)
    chosen = params(crop_scale=[low, 1], crop_ratio=[1 / ratio, ratio], flip=False)
    crop = augment_batch(ramp, chosen, generator(seed, 0, "augment"))
    steps = crop.diff(dim=3)
    assert crop.abs().max() <= 1 + 1e-5
    assert (steps >= -1e-5).all() and (steps <= 2 / 15 + 1e-5).all()


def test_augmentation_is_a_function_of_seed_and_step():
    def draw(seed: int, step: int) -> torch.Tensor:
        return augment_batch(images(), params(), generator(seed, step, "augment"))

    assert torch.equal(draw(0, 1), draw(0, 1))
    assert not torch.equal(draw(0, 1), draw(0, 2))
    assert not torch.equal(draw(0, 1), draw(1, 1))


def test_a_label_switches_off_what_would_falsify_it_and_is_named():
    labels = {
        "class": Label("categorical", ("a", "b")),
        "angle": Label("categorical", ("a", "b"), survives_flip=False),
        "count": Label("count", ("1", "2"), survives_crop=False),
    }
    kept, blame = allowed(params(), labels)
    assert blame == {"crop": ["count"], "flip": ["angle"]}
    assert torch.equal(augment_batch(images(), kept, generator(0, 0, "augment")), images())
    unchanged, nothing = allowed(params(), {"class": labels["class"]})
    assert unchanged == params() and nothing == {}
