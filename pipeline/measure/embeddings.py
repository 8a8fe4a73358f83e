"""The forward pass of a frozen network over every image of a split, as fast as the network allows."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor
from tqdm import tqdm

from pipeline.data.normalise import normalise
from pipeline.files import read_json
from pipeline.layout import CONFIG
from pipeline.progress import report

Forward = Callable[[Float[Tensor, "batch 3 size size"]], Float[Tensor, "batch dim"]]
Normalise = Callable[[UInt8[Tensor, "batch size size 3"]], Float[Tensor, "batch 3 size size"]]

TRAINED, INITIAL = "encoder", "initial"  # weights that `load_encoder` knows


def encoder_normalise(encoder: Path) -> Normalise:
    """Pixels to the input of the encoder exported to the folder `encoder`: normalised as in its training."""
    config = read_json(encoder / CONFIG)["pretrained_cfg"]
    return partial(normalise, mean=config["mean"], std=config["std"])


def embed(
    encoder: Forward,
    images: UInt8[np.ndarray, "images size size 3"],
    to_input: Normalise,
    batch_size: int,
    device: torch.device,
    autocast: Callable[[], AbstractContextManager[Any]],
    progress: str,
) -> Float[np.ndarray, "images dim"]:
    """encoder(to_input(images)) in float32, row i of the result for image i, batch by batch.

    `images` may be memory-mapped: one batch is read at a time. to_input: uint8 pixels to the encoder's input.
    progress: the title of a bar with images/s and the time left; without a terminal there is none.
    """
    batches = [(start, min(start + batch_size, len(images))) for start in range(0, len(images), batch_size)]
    embeddings: np.ndarray | None = None
    waiting: tuple[int, int, Tensor] | None = None
    bar = tqdm(total=len(images), desc=progress, unit=" images", unit_scale=True, disable=None, leave=False)
    with torch.inference_mode(), bar:
        for start, end in batches:
            pixels = torch.from_numpy(np.array(images[start:end])).to(device)
            with autocast():
                features = encoder(to_input(pixels)).float()
            if embeddings is None:
                embeddings = np.empty((len(images), features.shape[1]), dtype=np.float32)
            if waiting is not None:
                _store(embeddings, *waiting)
            waiting = start, end, features  # stored one batch later, so that a GPU does not stand still
            bar.update(end - start)
            report(progress, end, len(images), "images")
    assert embeddings is not None and waiting is not None, "no images"
    _store(embeddings, *waiting)
    return embeddings


def _store(embeddings: np.ndarray, start: int, end: int, features: Tensor) -> None:
    embeddings[start:end] = features.cpu().numpy()
