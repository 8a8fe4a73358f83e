"""What the tokens of a few test images look like: principal components as colours, and the attention of the
last block. Where a set has no masks of objects, the energies of groups at patches too.

Legend: images, patches of an image, dim features of a patch, heads of attention.
"""

import numpy as np
import torch
from jaxtyping import Float
from timm.models.vision_transformer import VisionTransformer
from torch import Tensor

from pipeline.data.store import ImageSet
from pipeline.interpret.build_codes import principal
from pipeline.interpret.code import Code
from pipeline.interpret.finished_run import Run
from pipeline.interpret.object_comparison import has_masks, networks, token_features
from pipeline.interpret.tables import Tables, shown_images
from pipeline.jepa.encoder import embed_patches
from pipeline.jepa.pretrained import load_encoder
from pipeline.measure.embeddings import encoder_normalise
from pipeline.params import InterpretParams
from pipeline.runtime import Runtime
from pipeline.views import RANDOM_INIT

ENDS = (2, 98)  # percentiles of a component that are shown as 0 and as 1


def add_token_pictures(
    image_set: ImageSet,
    run: Run,
    codes: dict[str, Code],
    params: InterpretParams,
    runtime: Runtime,
    tables: Tables,
) -> None:
    """Rows of the table `tokens` for the run, its twin and the encoder at initialisation; of the same images
    as in the table `patches`, whose rows are added for a set without masks."""
    split = image_set.split("test")
    images = split.images[: params.object_images]
    shown = shown_images(len(images))
    for network in networks(run):
        code = network.codes[0]
        encoder = load_encoder(network.folder, network.weights, runtime.device)
        few = np.asarray(images[shown])
        tokens = token_features(encoder, few, network.folder, runtime, f"{image_set.name} tokens, {code}")
        pixels = encoder_normalise(network.folder)(torch.from_numpy(few).to(runtime.device))
        with torch.inference_mode():
            attention = received_attention(encoder, pixels).cpu().numpy()
        tables.add_tokens(image_set.name, code, shown, colours(tokens), attention)
        if not has_masks(split) and code != RANDOM_INIT:
            progress = f"{image_set.name} patches, {code}"
            every = token_features(encoder, images, network.folder, runtime, progress)
            tables.add_patches(image_set.name, code, every, codes[code].partition)


def colours(tokens: Float[np.ndarray, "images patches dim"]) -> Float[np.ndarray, "images patches 3"]:
    """The first three principal components of all these tokens together, each in 0..1. A component has the
    sign with which its skewness is positive, so that few tokens are bright."""
    images, patches, dim = tokens.shape
    flat = tokens.reshape(-1, dim).astype(np.float64)
    centred = flat - flat.mean(0)
    components = principal(centred, centred)[1][:, :3]
    components = np.pad(components, ((0, 0), (0, 3 - components.shape[1])))
    components = components * np.where((components**3).sum(0) < 0, -1, 1)
    low, high = np.percentile(components, ENDS, axis=0)
    shares = np.clip((components - low) / np.where(high > low, high - low, 1), 0, 1)
    return shares.reshape(images, patches, 3)


def received_attention(
    encoder: VisionTransformer, images: Float[Tensor, "images 3 size size"]
) -> Float[Tensor, "images patches"]:
    """How much each patch is attended to in the last block: the mean over heads and over the patches that
    attend, times the number of patches. 1 is an even share."""
    tokens = embed_patches(encoder, images)
    for block in encoder.blocks[:-1]:
        tokens = block(tokens)
    last = encoder.blocks[-1]
    normalised = last.norm1(tokens)  # pyright: ignore[reportCallIssue, reportArgumentType]
    return attention_weights(last.attn, normalised).mean((1, 2)) * tokens.shape[1]  # pyright: ignore[reportArgumentType]


def attention_weights(
    attention: torch.nn.Module, tokens: Float[Tensor, "images patches dim"]
) -> Float[Tensor, "images heads patches patches"]:
    """The softmax of a timm attention layer: [..., i, j] is how much patch i attends to patch j."""
    images, patches, _ = tokens.shape
    heads, head_dim = int(attention.num_heads), int(attention.head_dim)  # pyright: ignore
    mixed = attention.qkv(tokens).reshape(images, patches, 3, heads, head_dim)  # pyright: ignore
    query, key, _ = mixed.permute(2, 0, 3, 1, 4).unbind(0)
    query, key = attention.q_norm(query), attention.k_norm(key)  # pyright: ignore
    return (head_dim**-0.5 * query @ key.transpose(-2, -1)).softmax(-1)
