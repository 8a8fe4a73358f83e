"""A trained module's views of images: the encoder's features, the latents and the groups, in one pass."""

from pathlib import Path

import torch
from jaxtyping import Float
from safetensors import SafetensorError
from safetensors.torch import load_file
from timm.models.vision_transformer import VisionTransformer
from torch import Tensor, nn

from pipeline.files import InputError, read_json
from pipeline.jepa.encoder import encode
from pipeline.params import SparsityParams
from pipeline.sparsity.build import build_method
from pipeline.sparsity.method import SparsityMethod

WEIGHTS = "sparsity.safetensors"


def load_method(folder: Path) -> SparsityMethod | None:
    """The exported module of folder/config.json, in eval mode; None where the encoder was trained without.

    Raises InputError where a file is missing or broken.
    """
    config = read_json(folder / "config.json")
    if "sparsity" not in config:
        return None
    method = build_method(SparsityParams.model_validate(config["sparsity"]), config["num_features"])
    if method is None:
        return None
    path = folder / WEIGHTS
    try:
        method.load_state_dict(load_file(path))
    except FileNotFoundError:
        raise InputError(f"{path}: not found; run `dvc repro pretrain`") from None
    except (SafetensorError, RuntimeError) as error:
        raise InputError(f"{path}: not the weights of {folder / 'config.json'} ({error})") from None
    return method.eval().requires_grad_(False)


class Views(nn.Module):
    """Means over the tokens of each image: the encoder's features, then latents and group energies.

    `names` and `widths` say what the columns of `forward` are; both have one entry without a module.
    """

    def __init__(self, encoder: VisionTransformer, method: SparsityMethod | None, site: str) -> None:
        super().__init__()
        self.encoder, self.method, self.pooled = encoder, method, site == "pooled"
        found = self.split(torch.zeros(1, 1, encoder.num_features, device=encoder.pos_embed.device))  # pyright: ignore[reportOptionalMemberAccess]
        self.names, self.widths = list(found), [view.shape[1] for view in found.values()]

    def split(self, tokens: Float[Tensor, "images tokens dim"]) -> dict[str, Tensor]:
        """The views of token embeddings by name."""
        views = {"encoder": tokens.mean(1)}
        if self.method is not None:
            sites = tokens.mean(1, keepdim=True) if self.pooled else tokens
            latents = self.method.latents(sites)
            if latents is not None:
                views["latent"] = latents.mean(1)
            views["groups"] = self.method.energies(sites).mean(1)
        return views

    def forward(self, images: Float[Tensor, "images 3 size size"]) -> Float[Tensor, "images columns"]:
        tokens = encode(self.encoder, images)
        with torch.autocast(images.device.type, enabled=False):
            return torch.cat(list(self.split(tokens.float()).values()), dim=1)
