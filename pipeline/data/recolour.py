"""Changes of colour and sharpness for studies, in batches, on the device that trains.

All are off by default. Each image has its own draws. In this order: colour jitter (brightness, contrast,
saturation, hue), grey, blur, solarisation. Strengths are SimCLR's (Chen et al. 2020, appendix A),
solarisation is BYOL's (Grill et al. 2020, appendix B). Unlike crop and flip, no label switches them off.

batch: images; size: side in pixels. Values are 0 to 1.
"""

import math

import torch
import torch.nn.functional as F
from jaxtyping import Float, UInt8
from torch import Tensor

from pipeline.data.shard import WHOLE_BATCH, Shard
from pipeline.params import AugmentParams

JITTERED = 0.8  # share of the images that are jittered
JITTER, HUE = 0.8, 0.2  # largest change of a factor, and of the hue in turns, at strength 1
SIGMAS = (0.1, 2.0)  # pixels, of a blur
BLUR_SIDE = 0.1  # of the image: the size of the blur's kernel
GREY = (0.299, 0.587, 0.114)  # ITU-R BT.601
YIQ = ((0.299, 0.587, 0.114), (0.5959, -0.2746, -0.3213), (0.2115, -0.5227, 0.3112))

Images = Float[Tensor, "batch 3 size size"]
Numbers = Float[Tensor, " batch"]


def is_on(augment: AugmentParams) -> bool:
    """Whether `recolour` would change anything."""
    return any((augment.color_jitter, augment.grayscale, augment.blur, augment.solarize))


def recolour(
    images: UInt8[Tensor, "batch size size 3"],
    augment: AugmentParams,
    generator: torch.Generator,
    shard: Shard = WHOLE_BATCH,
) -> UInt8[Tensor, "batch size size 3"]:
    """The images with the changes that `augment` asks for, rounded to bytes.

    `generator` must live on the images' device. `images` are the rows of `shard`; numbers are drawn for the
    whole batch, so an image gets the same ones whoever holds it.
    """
    draws = torch.rand(9, len(images) * shard.world_size, generator=generator, device=images.device)
    draws = shard.rows(draws.T).T
    values = images.permute(0, 3, 1, 2).float() / 255
    strength = augment.color_jitter
    if strength:
        factors = 1 + JITTER * strength * (2 * draws[1:4] - 1)
        jittered = adjust_brightness(values, factors[0])
        jittered = adjust_contrast(jittered, factors[1])
        jittered = adjust_saturation(jittered, factors[2])
        jittered = turn_hue(jittered, HUE * strength * (2 * draws[4] - 1))
        values = _where(draws[0] < JITTERED, jittered, values)
    if augment.grayscale:
        values = _where(draws[5] < augment.grayscale, to_grey(values), values)
    if augment.blur:
        low, high = SIGMAS
        values = _where(draws[6] < augment.blur, blur(values, low + (high - low) * draws[7]), values)
    if augment.solarize:
        values = _where(draws[8] < augment.solarize, solarize(values), values)
    return (255 * values).round().to(torch.uint8).permute(0, 2, 3, 1).contiguous()


def adjust_brightness(images: Images, factors: Numbers) -> Images:
    """Each image times its factor."""
    return (images * _each(factors)).clamp(0, 1)


def adjust_contrast(images: Images, factors: Numbers) -> Images:
    """Each image away from the mean of its grey levels by its factor."""
    return _blend(images, to_grey(images).mean((1, 2, 3), keepdim=True), factors)


def adjust_saturation(images: Images, factors: Numbers) -> Images:
    """Each image away from its grey levels by its factor."""
    return _blend(images, to_grey(images), factors)


def turn_hue(images: Images, turns: Numbers) -> Images:
    """The colours of each image turned about the grey axis of YIQ, by a share of the circle."""
    yiq = torch.tensor(YIQ, device=images.device)
    angle = 2 * math.pi * turns
    rotation = torch.eye(3, device=images.device).repeat(len(images), 1, 1)
    rotation[:, 1, 1] = rotation[:, 2, 2] = angle.cos()
    rotation[:, 2, 1] = angle.sin()
    rotation[:, 1, 2] = -angle.sin()
    matrix = torch.linalg.inv(yiq) @ rotation @ yiq
    return torch.einsum("bij,bjhw->bihw", matrix, images).clamp(0, 1)


def to_grey(images: Images) -> Images:
    """Grey levels in all three channels."""
    weights = torch.tensor(GREY, device=images.device)[:, None, None]
    return (images * weights).sum(1, keepdim=True).expand_as(images)


def blur(images: Images, sigmas: Numbers) -> Images:
    """Each image under a Gaussian of its own width in pixels; the edge is mirrored."""
    batch, channels, size, _ = images.shape
    radius = max(1, round(BLUR_SIDE * size) // 2)
    places = torch.arange(-radius, radius + 1, device=images.device)
    kernel = torch.exp(-0.5 * (places / sigmas[:, None]).square())
    kernel = (kernel / kernel.sum(1, keepdim=True)).repeat_interleave(channels, 0)[:, None, None]
    flat = F.pad(images, [radius] * 4, mode="reflect").flatten(0, 1)[None]
    flat = F.conv2d(flat, kernel, groups=batch * channels)
    flat = F.conv2d(flat, kernel.transpose(2, 3), groups=batch * channels)
    return flat.reshape(batch, channels, size, size)


def solarize(images: Images) -> Images:
    """Values from a half on are inverted."""
    return torch.where(images >= 0.5, 1 - images, images)


def _blend(images: Tensor, other: Tensor, factors: Tensor) -> Tensor:
    factors = _each(factors)
    return (factors * images + (1 - factors) * other).clamp(0, 1)


def _each(numbers: Tensor) -> Tensor:
    return numbers[:, None, None, None]


def _where(chosen: Tensor, changed: Tensor, others: Tensor) -> Tensor:
    return torch.where(_each(chosen), changed, others)
