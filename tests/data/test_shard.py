"""Shares of a batch: nothing lost, nothing twice, and each image treated as in the whole batch."""

import numpy as np
import pytest
import torch
from conftest import default_tree

from pipeline.data.augment import augment_batch
from pipeline.data.generators import generator
from pipeline.data.shard import WHOLE, Share
from pipeline.params import Params
from pipeline.pretrain.batches import Batches

IMAGES = np.random.default_rng(0).integers(0, 256, (60, 8, 8, 3), dtype=np.uint8)


@pytest.mark.parametrize("parts", [1, 2, 4])
def test_shares_split_every_micro_batch_and_lose_no_row(parts):
    batch = torch.arange(24).reshape(24, 1)
    shares = [Share(rank, 3, parts).rows(batch).chunk(parts) for rank in range(3)]
    micro_batches = [torch.cat([share[part] for share in shares]) for part in range(parts)]
    assert torch.equal(torch.cat(micro_batches), batch)
    assert WHOLE.rows(batch) is batch


@pytest.mark.parametrize("rank", [0, 1])
def test_a_share_reads_its_rows_of_the_whole_batch(rank):
    def batches(share: Share) -> list[torch.Tensor]:
        device = torch.device("cpu")
        return list(Batches(IMAGES, np.arange(60), 12, 3, device, share).from_step(0, 7))

    share = Share(rank, 2, parts=3)
    for own, whole in zip(batches(share), batches(WHOLE), strict=True):
        assert len(own) == 6 and torch.equal(own, share.rows(whole))


@pytest.mark.parametrize("rank", [0, 1])
def test_an_image_is_cropped_and_mirrored_alike_whoever_holds_it(rank):
    augment = Params.model_validate(default_tree()).augment
    images = torch.rand(12, 3, 8, 8)
    share = Share(rank, 2, parts=3)
    whole = augment_batch(images, augment, generator(0, 5, "augment"))
    own = augment_batch(share.rows(images), augment, generator(0, 5, "augment"), share)
    assert torch.allclose(own, share.rows(whole), atol=1e-6)
