"""SparseJEPA: the JEPA's terms, and beside them those of a sparsity method on its context embeddings.

batch: images of a micro-batch; sites: tokens of an image, 1 where they are pooled; dim features.
"""

from collections.abc import Iterator
from typing import NamedTuple

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from pipeline.data.generators import generator
from pipeline.jepa.encoder import encode
from pipeline.jepa.masking import Masks
from pipeline.jepa.objective import Gather, Jepa, normalised_targets, own_rows
from pipeline.params import SparsityParams
from pipeline.sparsity.batch import SparsityBatch, Strengths
from pipeline.sparsity.build import build_method


class Draws(NamedTuple):
    """Random numbers of a step; None for those that the run does not need.

    noise: of each token, the first axis is images. directions: of the method, shared by all images.
    regularizer: of `Jepa.draw`.
    """

    noise: Tensor | None = None
    directions: Tensor | None = None
    regularizer: Tensor | None = None

    def chunk(self, count: int) -> "list[Draws]":
        """The random numbers of each of `count` micro-batches."""
        noises = [None] * count if self.noise is None else self.noise.chunk(count)
        return [Draws(noise, self.directions, self.regularizer) for noise in noises]


class Batch(NamedTuple):
    """What the model reads: augmented images, their masks and the random numbers of the step."""

    images: Float[Tensor, "batch 3 size size"]
    masks: Masks
    draws: Draws

    def chunk(self, count: int) -> "Iterator[Batch]":
        """`count` micro-batches of equal size."""
        chunks = (tensor.chunk(count) for tensor in (self.images, *self.masks))
        for images, context, targets, draws in zip(*chunks, self.draws.chunk(count), strict=True):
            yield Batch(images, Masks(context, targets), draws)


class SparseJepa(nn.Module):
    """Without a method (`sparsity.method: none`) it is the JEPA, to the bit.

    `sparsity.site: predictor` puts the module behind the predictor. Its reconstruction is then the prediction
    error, in place of the JEPA's, and the objective is the paper's sum of a prediction error, a KL divergence
    and a group lasso.

    If processes share a batch, the method reads the whole batch in each of them, and its random numbers are
    those of the whole batch. Most of what it computes is a statistic of the batch (batch norm, sorting, KL
    with free bits), and its work is a few per cent of the encoder's.
    """

    def __init__(self, jepa: Jepa, sparsity: SparsityParams, seed: int) -> None:
        super().__init__()
        self.jepa = jepa
        self.groups = sparsity.groups
        self.site, self.stop_gradient = sparsity.site, sparsity.stop_gradient
        self.method = build_method(sparsity, jepa.context_encoder.embed_dim, seed + 2)

    def draw(self, batch: int, masks: Masks, seed: int, step: int, device: torch.device) -> Draws:
        """The random numbers of a step, a function of (seed, step). masks: of any number of images."""
        noise, directions = None, None
        if self.method is not None:
            tokens = {"tokens": masks.context, "predictor": masks.targets}
            sites = 1 if self.site == "pooled" else tokens[self.site][0].numel()
            noise, directions = self.method.draw(batch, sites, generator(seed, step, "sparsity", device))
        return Draws(noise, directions, self.jepa.draw(self.groups, seed, step, device))

    def forward(self, batch: Batch, strengths: Strengths, gather: Gather = own_rows) -> dict[str, Tensor]:
        """All loss terms by name; the total is their sum. gather: as in Jepa."""
        images, masks, draws = batch
        context, targets = self._embed(images, masks)
        if self.method is None:
            return self.jepa.terms(context, targets, masks, draws.regularizer, gather)
        if self.site == "predictor":
            terms = self.jepa.regularise(context, draws.regularizer, gather)
        else:
            terms = self.jepa.terms(context, targets, masks, draws.regularizer, gather)
        tokens, targets = self._at_sites(context, targets, masks)
        if self.stop_gradient:
            tokens = tokens.detach()
        with torch.autocast(images.device.type, enabled=False):
            sites = SparsityBatch(
                tokens=gather(tokens),
                targets=standardise(gather(targets)),
                noise=draws.noise,
                directions=draws.directions,
                strengths=strengths,
                prediction=terms.get("prediction"),
            )
            return terms | self.method(sites)

    def _embed(
        self, images: Float[Tensor, "batch 3 size size"], masks: Masks
    ) -> tuple[Float[Tensor, "batch context dim"], Float[Tensor, "batch patches dim"]]:
        """As Jepa.embed. Where the method rectifies the embedding, both are relu of the tokens: the
        distribution that they are matched to fixes their scale, so the targets need no layer-norm."""
        if self.method is None or not self.method.rectifies_embedding:
            return self.jepa.embed(images, masks)
        with torch.no_grad():
            targets = F.relu(encode(self.jepa.target_encoder, images)).float()
        return F.relu(encode(self.jepa.context_encoder, images, masks.context)), targets

    def _at_sites(
        self,
        context: Float[Tensor, "batch context dim"],
        targets: Float[Tensor, "batch patches dim"],
        masks: Masks,
    ) -> tuple[Float[Tensor, "batch sites dim"], Float[Tensor, "batch sites dim"]]:
        """Embeddings and targets at the same places: the context patches, the mean of the image, or the
        hidden patches as the predictor gives them."""
        if self.site == "pooled":
            return context.float().mean(1, keepdim=True), normalised_targets(targets.mean(1, keepdim=True))
        if self.site == "predictor":
            predicted, hidden = self.jepa.predict(context, targets, masks)
            return predicted.flatten(1, 2), hidden.flatten(1, 2)
        return context.float(), targets.gather(1, masks.context[..., None].expand(-1, -1, targets.shape[-1]))

    def proximal_step(self, learning_rate: float, strengths: Strengths) -> None:
        """Update the parameters that have their own optimiser; call it after AdamW's step."""
        if self.method is not None:
            self.method.proximal_step(learning_rate, strengths)


def standardise(features: Float[Tensor, "batch sites dim"]) -> Float[Tensor, "batch sites dim"]:
    """Mean 0 and variance 1 of every feature over the batch."""
    centred = features - features.mean((0, 1))
    return centred / (centred.square().mean((0, 1)) + 1e-4).sqrt()
