"""The reference model: any timm model with weights from a local file. It has its own view in every table."""

import hashlib
import pickle
from dataclasses import dataclass
from pathlib import Path

import timm
import torch
import torch.nn.functional as F
from jaxtyping import Float
from safetensors import SafetensorError
from timm.data import resolve_model_data_config  # pyright: ignore[reportPrivateImportUsage]
from timm.models import load_state_dict
from torch import Tensor, nn

from pipeline.files import InputError
from pipeline.params import ReferenceParams


@dataclass(frozen=True)
class Reference:
    """view: its name in tables and metrics. dim: of its pooled features. mean, std: what its input is
    normalised by, as in its own training. sha256: of the weights' file.
    """

    network: "Resized"
    view: str
    dim: int
    mean: tuple[float, ...]
    std: tuple[float, ...]
    sha256: str


class Resized(nn.Module):
    """A network behind a bicubic resize to the square it was trained on."""

    def __init__(self, network: nn.Module, size: int) -> None:
        super().__init__()
        self.network, self.size = network, size

    def forward(self, images: Float[Tensor, "batch 3 size size"]) -> Float[Tensor, "batch dim"]:
        if images.shape[-1] != self.size:
            images = F.interpolate(images, (self.size, self.size), mode="bicubic", antialias=True)
        return self.network(images)


def load_reference(reference: ReferenceParams, root: Path, device: torch.device) -> Reference | None:
    """The timm model embed.reference.name without its classifier; None where none is named.

    Nothing is downloaded. Raises InputError where the weights are missing, broken or of another model.
    """
    if reference.name is None or reference.weights is None:
        return None
    path = root / reference.weights.expanduser()
    if not path.is_file():
        raise InputError(f"embed.reference.weights: {path}: no such file")
    try:
        weights = load_state_dict(str(path), weights_only=True)
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError as error:
        raise InputError(f"embed.reference.weights: {path}: {error.strerror}") from None
    except (SafetensorError, pickle.UnpicklingError, RuntimeError, EOFError, AttributeError) as error:
        text = " ".join(str(error).split())[:200]
        raise InputError(f"embed.reference.weights: {path}: no weights of a model ({text})") from None
    foreign = f"embed.reference.weights: {path}: not the weights of {reference.name}"
    try:
        network, other = (_build(reference.name, weights, seed) for seed in (0, 1))
    except (RuntimeError, KeyError, ValueError) as error:
        raise InputError(f"{foreign} ({' '.join(str(error).split())[:200]})") from None
    # timm drops the classifier and then overlooks missing weights; what was drawn at random differs.
    pairs = zip(network.named_parameters(), other.parameters(), strict=True)
    drawn = [name for (name, first), second in pairs if not torch.equal(first, second)]
    if drawn:
        raise InputError(f"{foreign} (it lacks {drawn[0]} and {len(drawn) - 1} others)")
    config = resolve_model_data_config(network)
    dim = int(network.num_features)  # pyright: ignore[reportArgumentType]
    resized = Resized(network.to(device).eval().requires_grad_(False), config["input_size"][-1])
    view = reference.name.replace(".", "_")  # probe.json is read by dotted paths
    return Reference(resized, view, dim, tuple(config["mean"]), tuple(config["std"]), digest)


def _build(name: str, weights: dict[str, Tensor], seed: int) -> nn.Module:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        overlay = {"state_dict": dict(weights)}  # timm removes the classifier from it
        return timm.create_model(name, pretrained=True, num_classes=0, pretrained_cfg_overlay=overlay)
