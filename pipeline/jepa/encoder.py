"""The encoder: a timm Vision Transformer without class token, with fixed sin-cos positions.

batch: images; patches: positions of the grid in raster order; kept: those that are encoded.
"""

from typing import Any

import timm
import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from timm.layers.patch_embed import PatchEmbed
from timm.models.vision_transformer import VisionTransformer
from torch import Tensor, nn

from pipeline.files import ParamsError
from pipeline.jepa.positions import sincos_positions
from pipeline.params import ModelParams

BASE = "vit_tiny_patch16_224"  # any timm ViT: explicit dimensions override all that matters of it


def architecture(model: ModelParams, image_size: int) -> tuple[str, dict[str, Any]]:
    """The timm name and the arguments that build this encoder with `timm.create_model`."""
    arguments: dict[str, Any] = {
        "img_size": image_size,
        "patch_size": model.patch_size,
        "class_token": False,
        "global_pool": "avg",
        "fc_norm": False,  # the final norm acts on tokens, before pooling
        "reg_tokens": 0,
    }
    if model.name is None:
        arguments |= {
            "embed_dim": model.embed_dim,
            "depth": model.depth,
            "num_heads": model.num_heads,
            "mlp_ratio": model.mlp_ratio,
        }
    return model.name or BASE, arguments


def build_encoder(model: ModelParams, image_size: int, seed: int) -> VisionTransformer:
    """An encoder with weights drawn from `seed` (Xavier-uniform matrices, as in timm's `jax` scheme).

    Its `blocks` name every block as often as it runs: model.iterations times.

    Raises ParamsError where model.name is not a plain timm Vision Transformer.
    """
    name, arguments = architecture(model, image_size)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        try:
            encoder = timm.create_model(name, num_classes=0, weight_init="jax", **arguments)
        except (RuntimeError, TypeError, ValueError) as error:
            message = " ".join(str(error).split())
            raise ParamsError(f"model.name: timm cannot build {name!r} here ({message})") from None
    if not isinstance(encoder, VisionTransformer) or type(encoder.patch_embed) is not PatchEmbed:
        raise ParamsError(f"model.name: {name!r} is not a plain Vision Transformer of timm")
    if encoder.embed_dim % 4:
        raise ParamsError(f"model.name: {name!r} has embed_dim {encoder.embed_dim}, not a multiple of 4")
    encoder.blocks = nn.Sequential(*list(encoder.blocks) * model.iterations)
    grid = image_size // model.patch_size
    encoder.pos_embed = nn.Parameter(sincos_positions(encoder.embed_dim, grid)[None], requires_grad=False)
    return encoder


def encode(
    encoder: VisionTransformer,
    images: Float[Tensor, "batch 3 size size"],
    positions: Int[Tensor, "batch kept"] | None = None,
) -> Float[Tensor, "batch kept embed_dim"]:
    """Embeds the patches at `positions`, or all if None. They attend only to each other.

    Hidden patches are dropped before the projection and cost nothing. With all positions the result equals
    `encoder.forward_features(images)`.
    """
    return encoder.norm(encoder.blocks(embed_patches(encoder, images, positions)))


def encode_blocks(
    encoder: VisionTransformer, images: Float[Tensor, "batch 3 size size"], num_last: int
) -> list[Float[Tensor, "batch patches embed_dim"]]:
    """Tokens after each of the last `num_last` blocks, in order (after every block if there are fewer).

    Each passes the final layer-norm, so all have one scale; the last entry equals `encode`.
    """
    tokens = embed_patches(encoder, images)
    first = max(len(encoder.blocks) - num_last, 0)
    outputs = []
    for index, block in enumerate(encoder.blocks):
        tokens = block(tokens)
        if index >= first:
            outputs.append(encoder.norm(tokens))
    return outputs


def embed_patches(
    encoder: VisionTransformer,
    images: Float[Tensor, "batch 3 size size"],
    positions: Int[Tensor, "batch kept"] | None = None,
) -> Float[Tensor, "batch kept embed_dim"]:
    """What the first block reads: projected patches with their positions."""
    patches = patchify(images, encoder.patch_embed.patch_size[0])
    assert encoder.pos_embed is not None
    places = encoder.pos_embed
    if positions is not None:
        patches = patches.gather(1, positions[..., None].expand(-1, -1, patches.shape[-1]))
        places = places[0][positions]
    projection = encoder.patch_embed.proj
    tokens = F.linear(patches, projection.weight.flatten(1), projection.bias)
    return encoder.norm_pre(encoder.patch_embed.norm(tokens) + places)


def patchify(
    images: Float[Tensor, "batch 3 size size"], patch_size: int
) -> Float[Tensor, "batch patches pixels"]:
    """Square patches in raster order, each flattened in the order (channel, row, column)."""
    batch, channels, size, _ = images.shape
    grid = size // patch_size
    patches = images.reshape(batch, channels, grid, patch_size, grid, patch_size)
    return patches.permute(0, 2, 4, 1, 3, 5).reshape(batch, grid * grid, -1)


def timm_config(
    model: ModelParams,
    image_size: int,
    encoder: VisionTransformer,
    mean: tuple[float, ...],
    std: tuple[float, ...],
) -> dict[str, Any]:
    """config.json in timm's format: `timm.create_model("local-dir:<folder>", pretrained=True)` reads it.

    A block that runs several times is as many blocks there, with equal weights: timm knows no iterations.
    """
    name, arguments = architecture(model, image_size)
    if model.iterations > 1:
        arguments["depth"] = len(encoder.blocks)
    return {
        "architecture": name,
        "num_classes": 0,
        "num_features": encoder.embed_dim,
        "model_args": arguments,
        "pretrained_cfg": {
            "input_size": [3, image_size, image_size],
            "fixed_input_size": True,
            "mean": list(mean),
            "std": list(std),
            "crop_pct": 1.0,  # as prepare reads images: the whole shorter side
            "crop_mode": "center",
            "interpolation": "bicubic",
            "num_classes": 0,
            "pool_size": None,
            "first_conv": "patch_embed.proj",
            "classifier": "head",
        },
    }
