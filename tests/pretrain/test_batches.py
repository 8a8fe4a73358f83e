"""Batches: every image once per epoch, never a held-out one, the same from any step."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.files import InputError
from pipeline.pretrain.batches import Batches, hold_out

CPU = torch.device("cpu")


def numbered(count: int) -> np.ndarray:
    """Images whose first two bytes are their own index."""
    images = np.zeros((count, 2, 2, 3), np.uint8)
    images[:, 0, 0, 0], images[:, 0, 0, 1] = np.arange(count) % 256, np.arange(count) // 256
    return images


def names(batch: torch.Tensor) -> list[int]:
    return (batch[:, 0, 0, 0].long() + 256 * batch[:, 0, 0, 1].long()).tolist()


@settings(max_examples=20)
@given(
    count=st.integers(40, 400),
    held=st.integers(0, 20),
    batch_size=st.integers(1, 20),
    seed=st.integers(0, 99),
)
def test_an_epoch_shows_every_training_image_at_most_once_and_no_held_out_one(count, held, batch_size, seed):
    for_training, held_out = hold_out(count, held, seed)
    assert sorted([*for_training, *held_out]) == list(range(count))
    batches = Batches(numbered(count), for_training, batch_size, seed, CPU)
    seen = [name for batch in batches.from_step(0, batches.steps_per_epoch) for name in names(batch)]
    assert len(seen) == len(set(seen)) == batches.steps_per_epoch * batch_size
    assert not set(seen) & set(held_out.tolist())


@pytest.mark.parametrize("held", [40, 41, 2000])
def test_more_held_out_images_than_the_set_has_are_named_by_their_param(held):
    with pytest.raises(InputError) as caught:
        hold_out(40, held, seed=0)
    assert str(caught.value) == (
        f"pretrain.monitor_images: {held} are held out, but the set has 40 training images"
    )


def test_batches_from_the_middle_are_those_of_the_whole_run():
    def run(first: int) -> list[list[int]]:
        return [names(b) for b in Batches(numbered(50), np.arange(50), 8, 3, CPU).from_step(first, 20)]

    assert run(0)[13:] == run(13)
    epochs = run(0)
    assert epochs[0] != epochs[6]  # 6 steps per epoch: another order in the next


def test_too_few_images_for_a_batch_is_named():
    with pytest.raises(InputError, match=r"^pretrain\.batch_size: 16 .* leaves 10"):
        Batches(numbered(10), np.arange(10), 16, 0, CPU)
