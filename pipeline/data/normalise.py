"""From stored bytes to what an encoder reads.

batch: images; size: side in pixels.
"""

from collections.abc import Sequence

import torch
from jaxtyping import Float, UInt8
from torch import Tensor


def normalise(
    images: UInt8[Tensor, "batch size size 3"], mean: Sequence[float], std: Sequence[float]
) -> Float[Tensor, "batch 3 size size"]:
    """(pixel / 255 - mean) / std of each channel, channels first."""
    scale = torch.tensor([1 / (255 * s) for s in std], dtype=torch.float32, device=images.device)
    shift = torch.tensor(
        [-m / s for m, s in zip(mean, std, strict=True)], dtype=torch.float32, device=images.device
    )
    return (images * scale + shift).permute(0, 3, 1, 2).contiguous()
