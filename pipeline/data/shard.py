"""Which rows of a batch belong to which process.

batch: images of a step over all processes; shard: those of one process.
"""

from dataclasses import dataclass

from jaxtyping import Shaped
from torch import Tensor


@dataclass(frozen=True)
class Shard:
    """What process `rank` of `world_size` holds of a batch: of each micro-batch an equal run of rows.

    So a micro-batch consists of the same images however many processes share it. Random numbers are drawn for
    the whole batch and picked by `rows`: an image gets the same ones whoever holds it.
    """

    rank: int
    world_size: int
    micro_batches: int

    def rows(self, batch: Shaped[Tensor, "batch *any"]) -> Shaped[Tensor, "shard *any"]:
        """This process's rows; the batch itself where there is one process."""
        if self.world_size == 1:
            return batch
        return batch.unflatten(0, (self.micro_batches, self.world_size, -1))[:, self.rank].flatten(0, 1)


WHOLE_BATCH = Shard(rank=0, world_size=1, micro_batches=1)
