"""An exported encoder, read back."""

from pathlib import Path

import timm
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from timm.models.vision_transformer import VisionTransformer

from pipeline.files import InputError, read_json
from pipeline.jepa.kernels import fit_kernels
from pipeline.layout import CONFIG, INITIAL_WEIGHTS, TRAINED_WEIGHTS

WEIGHTS = {"encoder": TRAINED_WEIGHTS, "initial": INITIAL_WEIGHTS}


def load_encoder(
    folder: Path, weights: str = "encoder", device: torch.device | str = "cpu"
) -> VisionTransformer:
    """The exported encoder in `folder`, on `device`.

    It maps normalised images (batch, 3, size, size) to mean-pooled features (batch, embed_dim). `weights` is
    "encoder" (the trained target encoder) or "initial" (the same encoder before the first step). Raises
    InputError where a file is missing or broken.
    """
    config = read_json(folder / CONFIG)
    path = folder / WEIGHTS[weights]
    try:
        encoder = timm.create_model(config["architecture"], num_classes=0, **config["model_args"])
        encoder.load_state_dict(load_file(path))
    except FileNotFoundError:
        raise InputError(f"{path}: not found; run `dvc repro pretrain`") from None
    except (SafetensorError, RuntimeError, KeyError) as error:
        raise InputError(f"{path}: not the weights of {folder / CONFIG} ({error})") from None
    assert isinstance(encoder, VisionTransformer)
    fit_kernels(encoder, torch.device(device))
    return encoder.to(device).eval().requires_grad_(False)
