"""SparseJEPA: the JEPA's terms, and beside them those of a sparsity method on its context embeddings."""

from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn

from pipeline.data.generators import generator
from pipeline.jepa.masking import Masks
from pipeline.jepa.objective import Jepa, normalised_targets, sigreg_directions
from pipeline.params import SparsityParams
from pipeline.sparsity.build import build_method
from pipeline.sparsity.method import Strengths


class Draws(NamedTuple):
    """Random numbers of a step. noise: of each token, first axis images; the others are shared by all."""

    noise: Tensor | None = None
    directions: Tensor | None = None
    sigreg: Tensor | None = None

    def chunk(self, parts: int) -> "list[Draws]":
        """Those of each micro-batch."""
        noises = [None] * parts if self.noise is None else self.noise.chunk(parts)
        return [Draws(noise, self.directions, self.sigreg) for noise in noises]


class SparseJepa(nn.Module):
    """Without a method (`sparsity.method: none`) it is the JEPA, to the bit.

    Where processes share a batch, the method sees all of it in each: most of what it computes is a statistic
    of the batch (batch norm, sorting, KL with free bits), and its work is a few per cent of the encoder's. So
    its draws are those of the whole batch.
    """

    def __init__(self, jepa: Jepa, sparsity: SparsityParams, seed: int) -> None:
        super().__init__()
        self.jepa = jepa
        self.pooled, self.stop_gradient = sparsity.site == "pooled", sparsity.stop_gradient
        self.method = build_method(sparsity, jepa.context_encoder.embed_dim, seed + 2)

    def draw(self, batch: int, num_context: int, seed: int, step: int, device: torch.device) -> Draws:
        """The random numbers of a step, a function of (seed, step)."""
        noise, directions = None, None
        if self.method is not None:
            sites = 1 if self.pooled else num_context
            noise, directions = self.method.draw(batch, sites, generator(seed, step, "sparsity", device))
        projections = None
        if self.jepa.regularizer.name == "sigreg":
            dim = self.jepa.context_encoder.embed_dim
            projections = sigreg_directions(dim, generator(seed, step, "sigreg", device))
        return Draws(noise, directions, projections)

    def forward(
        self, images: Float[Tensor, "batch 3 size size"], masks: Masks, draws: Draws, strengths: Strengths
    ) -> dict[str, Tensor]:
        """All loss terms by name; the total is their sum."""
        context, targets = self.jepa.embed(images, masks)
        terms = self.jepa.terms(context, targets, masks, draws.sigreg)
        if self.method is None:
            return terms
        with torch.autocast(images.device.type, enabled=False):
            tokens = context.float()
            if self.pooled:
                tokens, aims = tokens.mean(1, keepdim=True), normalised_targets(targets.mean(1, keepdim=True))
            else:
                aims = targets.gather(1, masks.context[..., None].expand(-1, -1, targets.shape[-1]))
            if self.stop_gradient:
                tokens = tokens.detach()
            tokens, aims = self.jepa.gather(tokens), standardise(self.jepa.gather(aims))
            return terms | self.method(
                tokens, aims, draws.noise, draws.directions, strengths, terms["prediction"]
            )

    def after_step(self, learning_rate: float, strengths: Strengths) -> None:
        """To be called after the optimiser's step: the proximal step of W."""
        if self.method is not None:
            self.method.proximal_step(learning_rate, strengths)


def standardise(features: Float[Tensor, "batch sites dim"]) -> Float[Tensor, "batch sites dim"]:
    """Mean 0 and variance 1 of every feature over the batch."""
    centred = features - features.mean((0, 1))
    return centred / (centred.square().mean((0, 1)) + 1e-4).sqrt()
