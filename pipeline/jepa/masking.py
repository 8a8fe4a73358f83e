"""Which patches are context and which are targets, for a whole batch at once.

batch: images; context: visible patches; targets x block: hidden ones, as flat raster indices of the grid.

`multiblock`: all blocks of a step have one size, drawn from a list; each block's corner is uniform over the
places where it fits, and no two blocks of an image coincide; the context is a fixed number of patches drawn
uniformly from what the targets leave. So nothing is padded or truncated, and nothing depends on the batch
size or on the order of patches.

`ijepa` draws what the official I-JEPA sampler draws, faults included, for parity studies: corners from an
exclusive range that never reaches the last row and column, and every block cut, in raster order, to the
shortest of the batch.
"""

from typing import NamedTuple

import torch
from jaxtyping import Bool, Int
from torch import Tensor

from pipeline.data.generators import generator
from pipeline.files import ParamsError
from pipeline.params import MaskingParams

MAX_TRIES = 1000


class Masks(NamedTuple):
    """Flat positions of patches: context (batch, context), targets (batch, targets, block)."""

    context: Int[Tensor, "batch context"]
    targets: Int[Tensor, "batch targets block"]


def sample(
    masking: MaskingParams,
    grid: int,
    batch_size: int,
    seed: int,
    step: int,
    device: torch.device | str = "cpu",
) -> Masks:
    """The masks of one step: equal arguments give equal masks.

    Raises ParamsError where the official procedure would search for ever.
    """
    draw = generator(seed, step, "masks")  # on the CPU: one seed means the same masks on every device
    if masking.mode == "multiblock":
        masks = _multiblock(masking, grid, batch_size, draw)
    else:
        masks = _ijepa(masking, grid, batch_size, draw)
    return Masks(masks.context.to(device, non_blocking=True), masks.targets.to(device, non_blocking=True))


def _multiblock(masking: MaskingParams, grid: int, batch_size: int, draw: torch.Generator) -> Masks:
    choice = int(torch.randint(len(masking.target_sizes), (), generator=draw))
    rows, columns = masking.target_sizes[choice]
    across, down = grid - columns + 1, grid - rows + 1
    corners = torch.rand(batch_size, down * across, generator=draw).topk(masking.num_targets, dim=1).indices
    targets = _block(corners // across, corners % across, rows, columns, grid)
    hidden = torch.zeros(batch_size, grid * grid).scatter_(1, targets.flatten(1), 2.0)
    order = torch.rand(batch_size, grid * grid, generator=draw) + hidden
    context = order.topk(masking.num_context, dim=1, largest=False).indices.sort(dim=1).values
    return Masks(context, targets)


def _block(
    top: Int[Tensor, "*any"], left: Int[Tensor, "*any"], rows: int, columns: int, grid: int
) -> Int[Tensor, "*any block"]:
    offsets = (torch.arange(rows)[:, None] * grid + torch.arange(columns)).flatten()
    return (top * grid + left)[..., None] + offsets


def _ijepa(masking: MaskingParams, grid: int, batch_size: int, draw: torch.Generator) -> Masks:
    """Draws masks as the official I-JEPA sampler does, for a whole batch at once.

    docs/method.md lists its faults.
    """
    uniform = float(torch.rand((), generator=draw))  # one number sets both scale and ratio of the targets
    target_size = _official_size(masking.target_scale, masking.target_ratio, uniform, grid)
    context_size = _official_size(
        masking.context_scale, (1.0, 1.0), float(torch.rand((), generator=draw)), grid
    )
    if target_size[0] * target_size[1] <= masking.min_keep:
        raise ParamsError(
            f"masking.min_keep: a target block of {target_size[0]}x{target_size[1]} patches never has more "
            f"than {masking.min_keep}; lower it or raise masking.target_scale"
        )
    corners = _official_corners(target_size, grid, (batch_size, masking.num_targets), draw)
    targets = _block(*corners, *target_size, grid)
    context = _official_context(context_size, targets, masking, grid, draw)
    counts = context.sum(1)
    shortest = int(counts.min())
    # Cut to the shortest of the batch in raster order: a stable sort puts the kept patches first.
    positions = context.to(torch.int8).sort(dim=1, descending=True, stable=True).indices[:, :shortest]
    return Masks(positions, targets)


def _official_size(
    scale: tuple[float, float], ratio: tuple[float, float], uniform: float, grid: int
) -> tuple[int, int]:
    keep = int(grid * grid * (scale[0] + uniform * (scale[1] - scale[0])))
    shape = ratio[0] + uniform * (ratio[1] - ratio[0])
    rows, columns = round((keep * shape) ** 0.5), round((keep / shape) ** 0.5)
    return max(min(rows, grid - 1), 1), max(min(columns, grid - 1), 1)


def _official_corners(
    size: tuple[int, int], grid: int, shape: tuple[int, ...], draw: torch.Generator
) -> tuple[Tensor, Tensor]:
    top = torch.randint(grid - size[0], shape, generator=draw)
    return top, torch.randint(grid - size[1], shape, generator=draw)


def _official_context(
    size: tuple[int, int],
    targets: Int[Tensor, "batch targets block"],
    masking: MaskingParams,
    grid: int,
    draw: torch.Generator,
) -> Bool[Tensor, "batch patches"]:
    """Draws a block, removes the targets, and repeats until more than min_keep patches are left.

    After every 20 failures one more target of that image, the last first, is no longer removed. Context and
    target may then overlap.
    """
    batch_size, num_targets, _ = targets.shape
    hidden = torch.zeros(batch_size, num_targets, grid * grid, dtype=torch.bool)
    hidden.scatter_(2, targets, True)
    context = torch.zeros(batch_size, grid * grid, dtype=torch.bool)
    open_rows = torch.arange(batch_size)
    for attempt in range(MAX_TRIES):
        respected = max(num_targets - attempt // 20, 0)
        block = torch.zeros(len(open_rows), grid * grid, dtype=torch.bool)
        corners = _official_corners(size, grid, (len(open_rows),), draw)
        block.scatter_(1, _block(*corners, *size, grid), True)
        block &= ~hidden[open_rows, :respected].any(1)
        done = block.sum(1) > masking.min_keep
        context[open_rows[done]] = block[done]
        open_rows = open_rows[~done]
        if not len(open_rows):
            return context
    raise ParamsError(
        f"masking.min_keep: no context block of {size[0]}x{size[1]} patches keeps more than "
        f"{masking.min_keep}; lower it or raise masking.context_scale"
    )
