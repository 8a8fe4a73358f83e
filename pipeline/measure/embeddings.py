"""Frozen features of every image of a split, at the speed of the encoder's forward pass."""

import hashlib
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor
from tqdm import tqdm

from pipeline.files import InputError
from pipeline.progress import report

Forward = Callable[[Float[Tensor, "batch 3 size size"]], Float[Tensor, "batch dim"]]
Normalise = Callable[[UInt8[Tensor, "batch size size 3"]], Float[Tensor, "batch 3 size size"]]


@dataclass(frozen=True)
class Embedder:
    """A network whose output's columns hold views side by side, and what makes its input.

    name: of its weights, for messages and the progress bar. views, widths: names and numbers of columns.
    """

    name: str
    network: Forward
    normalise: Normalise
    views: list[str]
    widths: list[int]

    def __call__(
        self,
        images: UInt8[np.ndarray, "images size size 3"],
        batch_size: int,
        device: torch.device,
        autocast: Callable[[], AbstractContextManager[Any]],
        progress: str,
    ) -> dict[str, Float[np.ndarray, "images ..."]]:
        """View by name, a row per image; (images, patches, width) where the network gives patch after patch.

        Raises InputError where a feature is not finite.
        """
        found = embed(
            self.network,
            images,
            self.normalise,
            batch_size,
            device,
            autocast,
            progress=f"{progress}, {self.name}",
        )
        if not np.isfinite(found).all():
            raise InputError(f"{self.name}: its features of {progress} are not finite")
        width = sum(self.widths)
        if found.shape[1] != width:
            found = found.reshape(len(images), -1, width)
        parts = np.split(found, np.cumsum(self.widths)[:-1], axis=-1)
        return dict(zip(self.views, parts, strict=True))


def embed(
    encoder: Forward,
    images: UInt8[np.ndarray, "images size size 3"],
    normalise: Normalise,
    batch_size: int,
    device: torch.device,
    autocast: Callable[[], AbstractContextManager[Any]],
    progress: str,
) -> Float[np.ndarray, "images dim"]:
    """encoder(normalise(images)) in float32, row i of the result for image i, batch by batch.

    `images` may be memory-mapped: one batch is read at a time. `progress` is the title of a bar with images/s
    and the time left; without a terminal there is none.
    """
    batches = [(start, min(start + batch_size, len(images))) for start in range(0, len(images), batch_size)]
    found: np.ndarray | None = None
    waiting: tuple[int, int, Tensor] | None = None
    bar = tqdm(total=len(images), desc=progress, unit=" images", unit_scale=True, disable=None, leave=False)
    with torch.inference_mode(), bar:
        for start, end in batches:
            pixels = torch.from_numpy(np.array(images[start:end])).to(device)
            with autocast():
                features = encoder(normalise(pixels)).float()
            if found is None:
                found = np.empty((len(images), features.shape[1]), dtype=np.float32)
            if waiting is not None:
                _store(found, *waiting)
            waiting = start, end, features  # stored one batch later, so that a GPU does not stand still
            bar.update(end - start)
            report(progress, end, len(images), "images")
    assert found is not None and waiting is not None, "no images"
    _store(found, *waiting)
    return found


def fingerprint(encoder: Path) -> str:
    """sha256 of the weights in the folder `encoder`, the sparse module's included: the identity of its
    embeddings.

    Raises InputError where there are none.
    """
    digest = hashlib.sha256()
    try:
        digest.update((encoder / "encoder.safetensors").read_bytes())
    except FileNotFoundError as error:
        raise InputError(f"{error.filename}: not found; run `dvc repro pretrain`") from None
    module = encoder / "sparsity.safetensors"
    if module.exists():
        digest.update(module.read_bytes())
    return digest.hexdigest()


def _store(found: np.ndarray, start: int, end: int, features: Tensor) -> None:
    found[start:end] = features.cpu().numpy()
