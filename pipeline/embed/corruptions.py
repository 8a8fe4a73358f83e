"""Common corruptions of test images: noise, blur, light and compression, one strength each.

The families are those of ImageNet-C (Hendrycks & Dietterich 2019). Its package, imagecorruptions, is kept no
longer, so torchvision's transforms are used where it has them. Images are uint8, and stay so.

Legend: images of a split, size pixels of a side.
"""

from collections.abc import Callable

import numpy as np
import torch
from jaxtyping import UInt8
from torch import Tensor
from torchvision.transforms.v2 import InterpolationMode
from torchvision.transforms.v2 import functional as transforms

from pipeline.data.generators import generator

NOISE = 0.1  # standard deviation, of pixels in [0, 1]
Pixels = UInt8[Tensor, "images 3 size size"]


def gaussian_noise(pixels: Pixels, random: torch.Generator) -> Pixels:
    """Independent normal noise on every number."""
    noise = 255 * NOISE * torch.randn(pixels.shape, generator=random)
    return (pixels + noise).round().clamp(0, 255).to(torch.uint8)


def gaussian_blur(pixels: Pixels, _random: torch.Generator) -> Pixels:
    """A normal kernel with a standard deviation of a thirtieth of the image."""
    sigma = pixels.shape[-1] / 30
    return transforms.gaussian_blur(pixels, [2 * int(2 * sigma) + 1] * 2, [sigma] * 2)


def contrast(pixels: Pixels, _random: torch.Generator) -> Pixels:
    """All pixels at two fifths of their distance to the image's mean grey."""
    return transforms.adjust_contrast(pixels, 0.4)


def brightness(pixels: Pixels, _random: torch.Generator) -> Pixels:
    """Half as bright again."""
    return transforms.adjust_brightness(pixels, 1.5)


def pixelate(pixels: Pixels, _random: torch.Generator) -> Pixels:
    """Squares of two by two pixels with one colour each."""
    size = pixels.shape[-1]
    small = transforms.resize(pixels, [size // 2] * 2, InterpolationMode.BILINEAR, antialias=True)
    return transforms.resize(small, [size] * 2, InterpolationMode.NEAREST)


def jpeg(pixels: Pixels, _random: torch.Generator) -> Pixels:
    """JPEG of quality 15."""
    return torch.stack([transforms.jpeg(image, 15) for image in pixels])


CORRUPTIONS: dict[str, Callable[[Pixels, torch.Generator], Pixels]] = {
    function.__name__: function
    for function in (gaussian_noise, gaussian_blur, contrast, brightness, pixelate, jpeg)
}


def corrupt(
    images: UInt8[np.ndarray, "images size size 3"], name: str
) -> UInt8[np.ndarray, "images size size 3"]:
    """The images under a corruption of CORRUPTIONS; equal inputs give equal images."""
    pixels = torch.from_numpy(np.ascontiguousarray(images)).permute(0, 3, 1, 2).contiguous()
    corrupted = CORRUPTIONS[name](pixels, generator(0, 0, name, torch.device("cpu")))
    return corrupted.permute(0, 2, 3, 1).contiguous().numpy()
