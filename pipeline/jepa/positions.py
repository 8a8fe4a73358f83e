"""Fixed two-dimensional sine-cosine positions (MAE, He et al. 2022, appendix A.1)."""

import torch
from jaxtyping import Float
from torch import Tensor


def sincos_positions(embed_dim: int, grid: int) -> Float[Tensor, "patches embed_dim"]:
    """One row per patch of a grid x grid image, in raster order.

    The first half of the features encodes the column, the second the row, each as sin and cos of the
    coordinate at embed_dim / 4 frequencies falling geometrically from 1 to 1/10000. embed_dim must be a
    multiple of 4.
    """
    frequencies = 10000.0 ** (-torch.arange(embed_dim // 4) / (embed_dim / 4))
    rows, columns = torch.meshgrid(torch.arange(grid), torch.arange(grid), indexing="ij")
    angles = [axis.reshape(-1, 1) * frequencies for axis in (columns, rows)]
    return torch.cat([wave for angle in angles for wave in (angle.sin(), angle.cos())], dim=1)
