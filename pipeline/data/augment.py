"""Augmentation in batches, on the device that trains: random resized crop and mirror image.

batch: images; size: side in pixels.
"""

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from pipeline.data.labels import Label
from pipeline.data.shard import WHOLE_BATCH, Shard
from pipeline.params import AugmentParams


def allowed(augment: AugmentParams, labels: dict[str, Label]) -> tuple[AugmentParams, dict[str, list[str]]]:
    """The augmentations that leave every label true, and for each one switched off the labels to blame."""
    blame = {
        "crop": [name for name, label in labels.items() if not label.survives_crop],
        "flip": [name for name, label in labels.items() if not label.survives_flip],
    }
    blame = {"crop": blame["crop"] if _crops(augment) else [], "flip": blame["flip"] if augment.flip else []}
    changes: dict[str, object] = {}
    if blame["crop"]:
        changes |= {"crop_scale": (1.0, 1.0), "crop_ratio": (1.0, 1.0)}
    if blame["flip"]:
        changes["flip"] = False
    return augment.model_copy(update=changes), {name: names for name, names in blame.items() if names}


def augment_batch(
    images: Float[Tensor, "batch 3 size size"],
    augment: AugmentParams,
    generator: torch.Generator,
    shard: Shard = WHOLE_BATCH,
) -> Float[Tensor, "batch 3 size size"]:
    """Crop and mirror each image by its own draw of `generator`, which must live on the images' device.

    A crop covers a share of the area uniform in crop_scale, with width / height log-uniform in crop_ratio,
    at a uniform place inside the image, resized bilinearly to the full side (Inception's crop, batched). A
    side that would leave the image is cut to its length. `images` are the rows of `shard`; numbers are drawn
    for the whole batch.
    """
    batch = len(images)
    draws = torch.rand(5, batch * shard.world_size, generator=generator, device=images.device)
    draws = shard.rows(draws.T).T
    mirror = torch.where(draws[0] < 0.5, -1.0, 1.0) if augment.flip else torch.ones_like(draws[0])
    if not _crops(augment):
        return torch.where((mirror < 0)[:, None, None, None], images.flip(3), images)
    low, high = augment.crop_scale
    area = low + (high - low) * draws[1]
    log_low, log_high = torch.tensor(augment.crop_ratio).log().tolist()
    ratio = torch.exp(log_low + (log_high - log_low) * draws[2])
    width = (area * ratio).sqrt().clamp(max=1)
    height = (area / ratio).sqrt().clamp(max=1)
    affine = torch.zeros(batch, 2, 3, device=images.device)
    affine[:, 0, 0] = width * mirror
    affine[:, 0, 2] = (2 * draws[3] - 1) * (1 - width)
    affine[:, 1, 1] = height
    affine[:, 1, 2] = (2 * draws[4] - 1) * (1 - height)
    places = F.affine_grid(affine, list(images.shape), align_corners=False)
    return F.grid_sample(images, places, align_corners=False, padding_mode="reflection")


def _crops(augment: AugmentParams) -> bool:
    return augment.crop_scale != (1.0, 1.0) or augment.crop_ratio != (1.0, 1.0)
