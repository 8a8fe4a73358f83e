"""lightly's I-JEPA as its documented example builds it: modules, training step, transform and collator.

Needs lightly, which is in no lock file: `uv pip install --group bench`. It is imported only when it is used.
"""

import copy
from collections.abc import Callable

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor, nn

from benchmarks.common import Trainer
from pipeline.jepa.encoder import build_encoder
from pipeline.jepa.masking import Masks
from pipeline.params import ModelParams


class LightlyIjepa(nn.Module):
    """lightly's encoder pair and predictor around this project's initial timm Vision Transformer."""

    def __init__(self, model: ModelParams, image_size: int) -> None:
        from lightly.models.modules.ijepa_timm import IJEPAPredictorTIMM
        from lightly.models.modules.masked_vision_transformer_timm import MaskedVisionTransformerTIMM

        super().__init__()
        vit = build_encoder(model, image_size, seed=0)
        self.encoder = MaskedVisionTransformerTIMM(vit, pos_embed_initialization="skip")
        self.target = copy.deepcopy(self.encoder).requires_grad_(False)
        self.predictor = IJEPAPredictorTIMM(
            num_patches=(image_size // model.patch_size) ** 2,
            depth=model.predictor.depth,
            mlp_dim=vit.embed_dim,
            predictor_embed_dim=model.predictor.embed_dim,
            num_heads=model.predictor.num_heads,
        )

    def forward(self, images: Tensor, context: Tensor, targets: list[Tensor]) -> tuple[Tensor, Tensor]:
        """Predicted and target features of the patches of every target block."""
        from lightly.models import utils

        with torch.no_grad():
            hidden = self.target.encode(images)
            hidden = utils.apply_masks(F.layer_norm(hidden, hidden.shape[-1:]), targets)
        return self.predictor(self.encoder.encode(images, idx_keep=context), [context], targets), hidden


def lightly_step(run: Trainer) -> Callable[[Tensor, Masks], Tensor]:
    """lightly's documented training step, at the sizes, the precision and on the device of `run`."""
    from lightly.models.utils import update_momentum

    device = run.runtime.device
    peer = LightlyIjepa(run.params.model, run.params.data.image_size).to(device)
    weights = [*peer.encoder.parameters(), *peer.predictor.parameters()]
    optimizer = torch.optim.AdamW([weight for weight in weights if weight.requires_grad], lr=1e-3)

    def step(images: Tensor, masks: Masks) -> Tensor:
        with run.runtime.autocast():
            predictions, targets = peer(images, masks.context, list(masks.targets.unbind(1)))
            loss = F.smooth_l1_loss(predictions.float(), targets.float())
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        update_momentum(peer.encoder, peer.target, m=0.996)
        return loss

    return step


def lightly_loader(
    pixels: np.ndarray, grid: int, targets: int, block: tuple[int, int]
) -> Callable[[], Tensor]:
    """A call that makes one batch by lightly's transform and collator; the collator's masks are drawn too.

    grid: patches a side. targets: blocks an image, each of block = (rows, columns) patches.
    """
    from lightly.data.ijepa_collate import IJEPAMaskCollator  # pyright: ignore[reportMissingImports]
    from lightly.transforms.ijepa_transform import IJEPATransform

    rows, columns = block
    area, shape = rows * columns / grid**2 + 1e-3, rows / columns
    collate = IJEPAMaskCollator(
        pixels.shape[1],
        pixels.shape[1] // grid,
        enc_mask_scale=(0.85, 1.0),
        pred_mask_scale=(area, area),
        aspect_ratio=(shape, shape),
        npred=targets,
        min_keep=4,
    )
    transform = IJEPATransform(pixels.shape[1])
    pictures = [Image.fromarray(image) for image in pixels]
    return lambda: collate([transform(picture) for picture in pictures])[0]
