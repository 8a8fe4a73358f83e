"""Which rows of a batch belong to which process.

batch: images of a step over all processes; own: those of one.
"""

from dataclasses import dataclass

from jaxtyping import Shaped
from torch import Tensor


@dataclass(frozen=True)
class Share:
    """What process `rank` of `count` holds of a batch: of each of `parts` micro-batches an equal run of rows.

    So a micro-batch consists of the same images however many processes share it. Random numbers are drawn for
    the whole batch and picked by `rows`: an image gets the same ones whoever holds it.
    """

    rank: int
    count: int
    parts: int

    def rows(self, batch: Shaped[Tensor, "batch *any"]) -> Shaped[Tensor, "own *any"]:
        """The own rows; the batch itself where there is one process."""
        if self.count == 1:
            return batch
        return batch.unflatten(0, (self.parts, self.count, -1))[:, self.rank].flatten(0, 1)


WHOLE = Share(rank=0, count=1, parts=1)
