"""A top-k sparse autoencoder on frozen features: a sparse code that had no influence on the encoder.

    code = top_k(relu(W (x - b) + c)),   x^ = V code + b,   loss |x - x^|^2,   columns of V of length 1

Source: Gao et al. 2024 (Scaling and evaluating sparse autoencoders, arXiv 2406.04093), without its auxiliary
loss: a unit that has not fired for a while is set anew to the worst reconstructed image of the batch.

Legend: images, dim features, units.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from pipeline.params import SparseAutoencoderParams

CHUNK = 8192
REVIVE_EVERY = 50  # steps


@dataclass(frozen=True)
class SparseAutoencoder:
    """encode: (units, dim), decode: (dim, units), shift: (dim,), offset: (units,); active: per image."""

    encode: Tensor
    decode: Tensor
    shift: Tensor
    offset: Tensor
    active: int

    def __call__(self, features: Float[Tensor, "images dim"]) -> Float[Tensor, "images units"]:
        """The code of each image: `active` units at most are not zero, none is negative."""
        with torch.inference_mode():
            return torch.cat([self.code(part) for part in features.split(CHUNK)])

    def code(self, features: Float[Tensor, "images dim"]) -> Float[Tensor, "images units"]:
        raw = F.relu((features - self.shift) @ self.encode.T + self.offset)
        strongest = raw.topk(self.active, dim=1)
        return torch.zeros_like(raw).scatter(1, strongest.indices, strongest.values)

    def reconstruct(self, code: Float[Tensor, "images units"]) -> Float[Tensor, "images dim"]:
        return code @ self.decode.T + self.shift


def train_sparse_autoencoder(
    inputs: Float[Tensor, "images dim"], params: SparseAutoencoderParams, seed: int
) -> tuple[SparseAutoencoder, float]:
    """Fit to standardised features; the model and the share of variance it explains on them.

    The result depends on the arguments alone.
    """
    generator = torch.Generator().manual_seed(seed)
    images, dim = inputs.shape
    decode = F.normalize(torch.randn(dim, params.units, generator=generator), dim=0)
    weights = [decode.T.clone(), decode, inputs.mean(0), torch.zeros(params.units)]
    model = SparseAutoencoder(*(weight.requires_grad_() for weight in weights), active=params.active)
    optimiser = torch.optim.Adam(weights, params.learning_rate)
    fired = torch.zeros(params.units, dtype=torch.bool)
    for step in range(1, params.steps + 1):
        batch = inputs[torch.randint(images, (min(params.batch_size, images),), generator=generator)]
        code = model.code(batch)
        missed = (model.reconstruct(code) - batch).square().sum(1)
        optimiser.zero_grad()
        missed.mean().backward()
        optimiser.step()
        fired |= (code > 0).any(0)
        with torch.no_grad():
            model.decode.copy_(F.normalize(model.decode, dim=0))
            if step % REVIVE_EVERY == 0:
                if step < params.steps * 0.8:
                    _revive(model, batch, missed, ~fired)
                fired.zero_()
    model = SparseAutoencoder(*(weight.detach() for weight in weights), active=params.active)
    with torch.inference_mode():
        residual = (model.reconstruct(model.code(inputs)) - inputs).square().sum()
        around = (inputs - inputs.mean(0)).square().sum()
    return model, 1 - (residual / around).item() if around > 0 else 0.0


def _revive(model: SparseAutoencoder, batch: Tensor, missed: Tensor, dead: Tensor) -> None:
    """Point dead units at the images that are reconstructed worst."""
    units = dead.nonzero().flatten()[: len(batch)]
    if not len(units):
        return
    worst = missed.argsort(descending=True)[: len(units)]
    directions = F.normalize(batch[worst] - model.reconstruct(model.code(batch[worst])), dim=1)
    model.decode[:, units] = directions.T
    model.encode[units] = directions
    model.offset[units] = 0
