"""Shards of a batch: nothing lost, nothing twice, and each image treated as in the whole batch."""

import numpy as np
import pytest
import torch
from conftest import default_tree

from pipeline.data.augment import augment_batch
from pipeline.data.generators import generator
from pipeline.data.shard import WHOLE_BATCH, Shard
from pipeline.params import Params
from pipeline.pretrain.batches import Batches

IMAGES = np.random.default_rng(0).integers(0, 256, (60, 8, 8, 3), dtype=np.uint8)


@pytest.mark.parametrize("count", [1, 2, 4])
def test_shards_split_every_micro_batch_and_lose_no_row(count):
    batch = torch.arange(24).reshape(24, 1)
    shards = [Shard(rank, 3, count).rows(batch).chunk(count) for rank in range(3)]
    micro_batches = [torch.cat([shard[index] for shard in shards]) for index in range(count)]
    assert torch.equal(torch.cat(micro_batches), batch)
    assert WHOLE_BATCH.rows(batch) is batch


@pytest.mark.parametrize("rank", [0, 1])
def test_a_shard_reads_its_rows_of_the_whole_batch(rank):
    def batches(shard: Shard) -> list[torch.Tensor]:
        device = torch.device("cpu")
        return list(Batches(IMAGES, np.arange(60), 12, 3, device, shard).from_step(0, 7))

    shard = Shard(rank, 2, micro_batches=3)
    for rows, whole in zip(batches(shard), batches(WHOLE_BATCH), strict=True):
        assert len(rows) == 6 and torch.equal(rows, shard.rows(whole))


@pytest.mark.parametrize("rank", [0, 1])
def test_an_image_is_cropped_and_mirrored_alike_whoever_holds_it(rank):
    augment = Params.model_validate(default_tree()).augment
    images = torch.rand(12, 3, 8, 8)
    shard = Shard(rank, 2, micro_batches=3)
    whole = augment_batch(images, augment, generator(0, 5, "augment"))
    rows = augment_batch(shard.rows(images), augment, generator(0, 5, "augment"), shard)
    assert torch.allclose(rows, shard.rows(whole), atol=1e-6)
