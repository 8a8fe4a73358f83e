"""Equal tensors of several runs in one storage.

members: runs; numbers: of all tensors of one kind, flattened, in the order of their names.
"""

from collections.abc import Mapping, Sequence

import torch
from jaxtyping import Float
from torch import Tensor


class Stack:
    """Tensors of equal names and shapes of every member, one after the other in a row of `numbers`.

    learns: whether `numbers` is a leaf that collects gradients.
    """

    def __init__(self, members: Sequence[Mapping[str, Tensor]], learns: bool = False) -> None:
        self.shapes = {name: tensor.shape for name, tensor in members[0].items()}
        self.sizes = [shape.numel() for shape in self.shapes.values()]
        rows = [torch.cat([tensor.detach().flatten() for tensor in member.values()]) for member in members]
        self.numbers: Float[Tensor, "members numbers"] = torch.stack(rows).requires_grad_(learns)

    def named(self) -> dict[str, Float[Tensor, "members *shape"]]:
        """Each tensor for all members. Gradients flow to `numbers`."""
        parts = zip(self.numbers.split(self.sizes, dim=1), self.shapes.items(), strict=True)
        return {name: part.view(-1, *shape) for part, (name, shape) in parts}

    def row(self, numbers: Float[Tensor, "members numbers"], member: int) -> dict[str, Tensor]:
        """Views of one member's part of `numbers`. numbers: of these tensors, of their gradients or of their
        moments."""
        parts = zip(numbers.detach()[member].split(self.sizes), self.shapes.items(), strict=True)
        return {name: part.view(shape) for part, (name, shape) in parts}
