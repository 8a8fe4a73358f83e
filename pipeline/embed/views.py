"""A trained encoder's views of images, and its module's: features, latents and groups, in one pass."""

import torch
from jaxtyping import Float
from timm.models.vision_transformer import VisionTransformer
from torch import Tensor, nn

from pipeline.jepa.encoder import encode_blocks
from pipeline.sparsity.method import SparsityMethod


class Views(nn.Module):
    """Means over the tokens of each image: the encoder's features, those of its last blocks side by side,
    then latents and group energies.

    last_blocks: how many (pipeline.jepa.encoder.encode_blocks); 0 leaves that view out. `names` and `widths`
    say what the columns of `forward` are; both have one entry without last blocks and module.
    """

    def __init__(
        self, encoder: VisionTransformer, method: SparsityMethod | None, site: str, last_blocks: int = 0
    ) -> None:
        super().__init__()
        self.encoder, self.method, self.pooled = encoder, method, site == "pooled"
        self.last_blocks = min(last_blocks, len(encoder.blocks))
        device = encoder.pos_embed.device  # pyright: ignore[reportOptionalMemberAccess]
        blank = torch.zeros(1, 1, encoder.num_features, device=device)
        found = self.split([blank] * max(self.last_blocks, 1))
        self.names, self.widths = list(found), [view.shape[1] for view in found.values()]

    def split(self, blocks: list[Float[Tensor, "images tokens dim"]]) -> dict[str, Tensor]:
        """The views by name of the tokens after each of the last blocks."""
        tokens = blocks[-1]
        views = {"encoder": tokens.mean(1)}
        if self.last_blocks:
            views["last_blocks"] = torch.cat([block.mean(1) for block in blocks], dim=1)
        if self.method is not None:
            sites = tokens.mean(1, keepdim=True) if self.pooled else tokens
            latents = self.method.latents(sites)
            if latents is not None:
                views["latent"] = latents.mean(1)
            views["groups"] = self.method.energies(sites).mean(1)
        return views

    def forward(self, images: Float[Tensor, "images 3 size size"]) -> Float[Tensor, "images columns"]:
        blocks = encode_blocks(self.encoder, images, max(self.last_blocks, 1))
        with torch.autocast(images.device.type, enabled=False):
            return torch.cat(list(self.split([block.float() for block in blocks]).values()), dim=1)


class TokenViews(nn.Module):
    """The encoder's features of every patch, and their latents and group energies where the module reads
    tokens; `names` and `widths` as in `Views`, of one patch."""

    def __init__(self, encoder: VisionTransformer, method: SparsityMethod | None, site: str) -> None:
        super().__init__()
        self.encoder, self.method = encoder, None if site == "pooled" else method
        device = encoder.pos_embed.device  # pyright: ignore[reportOptionalMemberAccess]
        found = self.split(torch.zeros(1, 1, encoder.num_features, device=device))
        self.names, self.widths = list(found), [view.shape[2] for view in found.values()]

    def split(self, tokens: Float[Tensor, "images tokens dim"]) -> dict[str, Tensor]:
        """The views by name, each (images, tokens, its width)."""
        views = {"encoder": tokens}
        if self.method is not None:
            latents = self.method.latents(tokens)
            if latents is not None:
                views["latent"] = latents
            views["groups"] = self.method.energies(tokens)
        return views

    def forward(self, images: Float[Tensor, "images 3 size size"]) -> Float[Tensor, "images columns"]:
        """Patch after patch, each with all its views side by side."""
        tokens = encode_blocks(self.encoder, images, 1)[0]
        with torch.autocast(images.device.type, enabled=False):
            return torch.cat(list(self.split(tokens.float()).values()), dim=2).flatten(1)
