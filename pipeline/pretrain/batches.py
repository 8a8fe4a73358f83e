"""Batches that depend only on (seed, step). For a GPU a thread gathers the next one ahead of time."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property

import numpy as np
import torch
from jaxtyping import UInt8
from torch import Tensor

from pipeline.data.generators import generator
from pipeline.data.shard import WHOLE_BATCH, Shard
from pipeline.files import InputError


def hold_out(num_images: int, num_held_out: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Indices (to train on, held out for the monitors), both ascending, drawn by `seed`.

    Raises InputError where none would be left to train on.
    """
    if num_held_out >= num_images:
        raise InputError(
            f"pretrain.monitor_images: {num_held_out} are held out, but the set has {num_images} training "
            "images"
        )
    order = np.random.default_rng([seed, num_images]).permutation(num_images)
    return np.sort(order[num_held_out:]), np.sort(order[:num_held_out])


class Batches:
    """The images of a split, memory-mapped, as an endless sequence of batches.

    Each epoch is a fresh permutation of `indices` that depends only on (seed, epoch). The last images of an
    epoch are dropped if they do not fill a batch. A set that fits is moved to a GPU whole. Only the shard's
    rows of a batch are read.
    """

    GPU_BYTES = 8 * 2**30

    def __init__(
        self,
        images: np.ndarray,
        indices: np.ndarray,
        batch_size: int,
        seed: int,
        device: torch.device,
        shard: Shard = WHOLE_BATCH,
    ) -> None:
        if len(indices) < batch_size:
            raise InputError(
                f"pretrain.batch_size: {batch_size} images per step, but the set leaves {len(indices)} to "
                "train on after pretrain.monitor_images"
            )
        self.images, self.indices, self.batch_size = images, indices, batch_size
        self.seed, self.device, self.shard = seed, device, shard
        self.steps_per_epoch = len(indices) // batch_size
        self._epoch = -1
        self._order = indices
        self.fits = device.type == "cuda" and images.nbytes <= self.GPU_BYTES

    @cached_property
    def resident(self) -> UInt8[Tensor, "images size size 3"] | None:
        """The whole set on the GPU if it fits, else None. Runs on the same images may share one copy."""
        return torch.tensor(self.images, device=self.device) if self.fits else None

    def from_step(self, step: int, last: int) -> Iterator[UInt8[Tensor, "batch size size 3"]]:
        """The batches of the steps `step`..`last` - 1, on the device.

        For a GPU a thread gathers the next one meanwhile. On a CPU it would halve the speed: torch's own
        threads stop spinning for work as soon as there are more threads than cores, and sleep at every
        operator (benchmarks/results/cpu-step.md).
        """
        if self.device.type == "cpu":
            yield from map(self._gather, range(step, last))
            return
        with ThreadPoolExecutor(max_workers=1) as ahead:
            future = ahead.submit(self._gather, step)
            for following in range(step + 1, last + 1):
                batch = future.result()
                if following < last:
                    future = ahead.submit(self._gather, following)
                yield batch.to(self.device, non_blocking=True)

    def _gather(self, step: int) -> Tensor:
        epoch, place = divmod(step, self.steps_per_epoch)
        if epoch != self._epoch:
            order = torch.randperm(len(self.indices), generator=generator(self.seed, epoch, "order"))
            self._order, self._epoch = self.indices[order.numpy()], epoch
        chosen = self._order[place * self.batch_size : (place + 1) * self.batch_size]
        chosen = self.shard.rows(torch.from_numpy(chosen)).numpy()
        if self.resident is not None:
            return self.resident[torch.from_numpy(chosen).to(self.device)]
        batch = torch.from_numpy(self.images[chosen])
        return batch.pin_memory() if self.device.type == "cuda" else batch
