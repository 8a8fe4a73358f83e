"""Sources: the trained encoder with its sparse module, its dense twin, and the encoder at initialisation.

A network gives all its views side by side, in one pass over the images.
"""

from pathlib import Path

import torch
from jaxtyping import Float
from timm.models.vision_transformer import VisionTransformer
from torch import Tensor, nn

from pipeline import views
from pipeline.embed.network_views import NetworkViews
from pipeline.embed.source import ComputeViews, Context, Sample
from pipeline.jepa.encoder import encode_blocks
from pipeline.layout import INITIAL_WEIGHTS, TRAINED_WEIGHTS
from pipeline.measure.embeddings import INITIAL, TRAINED
from pipeline.sparsity.method import SparsityMethod

OF_TWIN = {views.ENCODER: views.TWIN, views.LAST_BLOCKS: views.TWIN_LAST_BLOCKS}
AT_INITIALISATION = {
    views.ENCODER: views.RANDOM_INIT,
    views.LAST_BLOCKS: views.RANDOM_INIT_LAST_BLOCKS,
}


class ImageViews(nn.Module):
    """Means over the tokens of each image: the encoder's features, those of its last blocks side by side,
    then latents and group energies.

    last_blocks: how many (pipeline.jepa.encoder.encode_blocks); 0 leaves that view out. `names` and `widths`
    name the views in the columns of `forward` and count their columns.
    """

    def __init__(
        self, encoder: VisionTransformer, method: SparsityMethod | None, site: str, last_blocks: int = 0
    ) -> None:
        super().__init__()
        self.encoder, self.method, self.pooled = encoder, method, site == "pooled"
        self.last_blocks = min(last_blocks, len(encoder.blocks))
        device = encoder.pos_embed.device  # pyright: ignore[reportOptionalMemberAccess]
        blank = torch.zeros(1, 1, encoder.num_features, device=device)
        sample = self.split([blank] * max(self.last_blocks, 1))
        self.names, self.widths = list(sample), [view.shape[1] for view in sample.values()]

    def split(self, blocks: list[Float[Tensor, "images tokens dim"]]) -> dict[str, Tensor]:
        """The views by name of the tokens after each of the last blocks."""
        tokens = blocks[-1]
        split = {views.ENCODER: tokens.mean(1)}
        if self.last_blocks:
            split[views.LAST_BLOCKS] = torch.cat([block.mean(1) for block in blocks], dim=1)
        if self.method is not None:
            sites = tokens.mean(1, keepdim=True) if self.pooled else tokens
            latents = self.method.latents(sites)
            if latents is not None:
                split[views.LATENT] = latents.mean(1)
            split[views.GROUPS] = self.method.energies(sites).mean(1)
        return split

    def forward(self, images: Float[Tensor, "images 3 size size"]) -> Float[Tensor, "images columns"]:
        blocks = encode_blocks(self.encoder, images, max(self.last_blocks, 1))
        with torch.autocast(images.device.type, enabled=False):
            return torch.cat(list(self.split([block.float() for block in blocks]).values()), dim=1)


class PatchViews(nn.Module):
    """The encoder's features of every patch, and their latents and group energies where the module reads
    tokens; `names` and `widths` as in `ImageViews`, of one patch."""

    def __init__(self, encoder: VisionTransformer, method: SparsityMethod | None, site: str) -> None:
        super().__init__()
        self.encoder, self.method = encoder, None if site == "pooled" else method
        device = encoder.pos_embed.device  # pyright: ignore[reportOptionalMemberAccess]
        sample = self.split(torch.zeros(1, 1, encoder.num_features, device=device))
        self.names, self.widths = list(sample), [view.shape[2] for view in sample.values()]

    def split(self, tokens: Float[Tensor, "images tokens dim"]) -> dict[str, Tensor]:
        """The views by name, each (images, tokens, its width)."""
        split = {views.ENCODER: tokens}
        if self.method is not None:
            latents = self.method.latents(tokens)
            if latents is not None:
                split[views.LATENT] = latents
            split[views.GROUPS] = self.method.energies(tokens)
        return split

    def forward(self, images: Float[Tensor, "images 3 size size"]) -> Float[Tensor, "images columns"]:
        """Patch after patch, each with all its views side by side."""
        tokens = encode_blocks(self.encoder, images, 1)[0]
        with torch.autocast(images.device.type, enabled=False):
            return torch.cat(list(self.split(tokens.float()).values()), dim=2).flatten(1)


def trained_encoder(context: Context, _train: Sample) -> ComputeViews:
    """The views encoder and last_blocks, and latent and groups if the module has them."""
    network = ImageViews(context.networks[TRAINED], context.method, context.site, context.params.last_blocks)
    return _views_of(context, context.encoder / TRAINED_WEIGHTS, network, network.names)


def twin_encoder(context: Context, _train: Sample) -> ComputeViews | None:
    """The views twin and twin_last_blocks: the same encoder trained without sparsity."""
    if context.twin is None:
        return None
    network = ImageViews(context.networks[views.TWIN], None, context.site, context.params.last_blocks)
    names = [OF_TWIN[name] for name in network.names]
    return _views_of(context, context.twin / TRAINED_WEIGHTS, network, names)


def initial_encoder(context: Context, _train: Sample) -> ComputeViews:
    """The views random_init and random_init_last_blocks: the encoder before the first step."""
    network = ImageViews(context.networks[INITIAL], None, context.site, context.params.last_blocks)
    return _views_of(
        context,
        context.encoder / INITIAL_WEIGHTS,
        network,
        [AT_INITIALISATION[name] for name in network.names],
    )


def trained_encoder_patches(context: Context, _train: Sample) -> ComputeViews:
    """encoder, latent and groups of every patch."""
    network = PatchViews(context.networks[TRAINED], context.method, context.site)
    return _views_of(context, context.encoder / TRAINED_WEIGHTS, network, network.names)


def twin_encoder_patches(context: Context, _train: Sample) -> ComputeViews | None:
    """twin of every patch."""
    if context.twin is None:
        return None
    network = PatchViews(context.networks[views.TWIN], None, context.site)
    names = [OF_TWIN[name] for name in network.names]
    return _views_of(context, context.twin / TRAINED_WEIGHTS, network, names)


def initial_encoder_patches(context: Context, _train: Sample) -> ComputeViews:
    """random_init of every patch."""
    network = PatchViews(context.networks[INITIAL], None, context.site)
    return _views_of(
        context,
        context.encoder / INITIAL_WEIGHTS,
        network,
        [AT_INITIALISATION[name] for name in network.names],
    )


def _views_of(
    context: Context, weights: Path, network: ImageViews | PatchViews, names: list[str]
) -> NetworkViews:
    return NetworkViews(context, str(weights), network, context.to_input, names, network.widths)
