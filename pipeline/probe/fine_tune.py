"""The end-to-end probe: the whole encoder trained on the labels, with one linear head per label.

AdamW with a learning rate that decays from block to block downwards (Clark et al. 2020; Bao et al. 2022,
appendix), warm-up and a cosine to zero, the augmentations of pretraining that leave every label true. The
learning rate is chosen on the validation part, then the encoder is trained anew on the whole training split.
Started from the weights before pretraining it is plain supervised training: what pretraining is worth.

Legend: images, batch of them, classes of all labels side by side.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float, Int, UInt8
from timm.models.vision_transformer import VisionTransformer
from timm.optim import param_groups_layer_decay  # pyright: ignore[reportPrivateImportUsage]
from torch import Tensor, nn
from torch.nn import functional as F

from pipeline.data.augment import augment_batch
from pipeline.measure.embeddings import Normalise, embed
from pipeline.measure.metrics import accuracy
from pipeline.params import AugmentParams, FineTuneParams
from pipeline.probe.sgd_probe import cosine
from pipeline.runtime import Runtime

BETAS = (0.9, 0.999)
Images = UInt8[np.ndarray, "images size size 3"]


class Tuned(nn.Module):
    """An encoder and its heads: logits of every label side by side."""

    def __init__(self, encoder: VisionTransformer, num_classes: Mapping[str, int]) -> None:
        super().__init__()
        self.encoder = encoder
        self.head = nn.Linear(encoder.num_features, sum(num_classes.values()))
        nn.init.zeros_(self.head.weight)
        nn.init.zeros_(self.head.bias)

    def forward(self, images: Float[Tensor, "batch 3 size size"]) -> Float[Tensor, "batch classes"]:
        return self.head(self.encoder(images))


@dataclass(frozen=True)
class FineTuned:
    """A trained network; learning_rate: the chosen one, of the heads."""

    network: Tuned
    learning_rate: float
    num_classes: dict[str, int]


@dataclass(frozen=True)
class Recipe:
    """How one encoder is trained: make: builds it anew; augment: augmentations that
    leave the labels true."""

    make: Callable[[], VisionTransformer]
    normalise: Normalise
    augment: AugmentParams
    seed: int
    runtime: Runtime


def fine_tune(
    recipe: Recipe,
    params: FineTuneParams,
    images: Images,
    targets: dict[str, Int[Tensor, " images"]],
    num_classes: dict[str, int],
    validation: Bool[Tensor, " images"],
) -> FineTuned:
    """Train on every label with classes at once: the loss is the mean over labels of their cross-entropies.

    The learning rate with the highest mean validation accuracy is chosen, the lowest of equals. Images whose
    target is -1 do not count for that label. Batches and augmentations are drawn from the seed and the step.
    """
    ascending = sorted(params.learning_rates)
    best, rows = ascending[0], np.arange(len(images))
    if len(ascending) > 1:
        judged = validation.cpu().numpy()
        scores = []
        for rate in ascending:
            network = _train(recipe, params, images, rows[~judged], targets, num_classes, rate)
            tuned = FineTuned(network, rate, num_classes)
            guesses = classify_images(tuned, recipe, params, images, rows[judged])
            right = [accuracy(guesses[name], target[validation]) for name, target in targets.items()]
            scores.append(sum(right) / len(right))
        best = ascending[scores.index(max(scores))]
    return FineTuned(_train(recipe, params, images, rows, targets, num_classes, best), best, num_classes)


def classify_images(
    tuned: FineTuned,
    recipe: Recipe,
    params: FineTuneParams,
    images: Images,
    rows: Int[np.ndarray, " rows"] | None = None,
) -> dict[str, Int[Tensor, " others"]]:
    """The class of each image (of `rows`, where given) for every label."""
    content = images if rows is None else images[rows]
    runtime, size = recipe.runtime, params.batch_size
    outputs = embed(
        tuned.network.eval(), content, recipe.normalise, size, runtime.device, runtime.autocast, "fine-tuned"
    )
    parts = torch.from_numpy(outputs).to(runtime.device).split(list(tuned.num_classes.values()), dim=1)
    return {name: part.argmax(1) for name, part in zip(tuned.num_classes, parts, strict=True)}


def _train(
    recipe: Recipe,
    params: FineTuneParams,
    images: Images,
    rows: np.ndarray,
    targets: dict[str, Tensor],
    num_classes: dict[str, int],
    learning_rate: float,
) -> Tuned:
    device = recipe.runtime.device
    encoder = recipe.make().requires_grad_(True)
    assert encoder.pos_embed is not None
    encoder.pos_embed.requires_grad_(False)
    network = Tuned(encoder, num_classes).to(device).train()
    groups = param_groups_layer_decay(
        encoder, weight_decay=params.weight_decay, layer_decay=params.layer_decay
    )
    groups.append({"params": list(network.head.parameters()), "weight_decay": 0.0, "lr_scale": 1.0})
    optimizer = torch.optim.AdamW(groups, lr=learning_rate, betas=BETAS)
    batches = math.ceil(len(rows) / params.batch_size)
    steps = params.epochs * batches
    order = rows
    for step in range(steps):
        if step % batches == 0:
            order = rows[np.random.default_rng([recipe.seed, step // batches]).permutation(len(rows))]
        chosen = np.sort(order[step % batches * params.batch_size :][: params.batch_size])
        pixels = torch.from_numpy(np.asarray(images[chosen])).to(device)
        generator = torch.Generator(device).manual_seed(recipe.seed * 2**20 + step)
        batch = augment_batch(recipe.normalise(pixels), recipe.augment, generator)
        for group in optimizer.param_groups:
            group["lr"] = learning_rate * group["lr_scale"] * cosine(step, steps, params.warmup_fraction)
        with recipe.runtime.autocast():
            outputs = network(batch)
        known = torch.from_numpy(chosen).to(device)
        losses = []
        for target, output in zip(
            targets.values(), outputs.float().split(list(num_classes.values()), dim=1), strict=True
        ):
            labelled = max(int((target[known] >= 0).sum()), 1)
            total = F.cross_entropy(output, target[known], ignore_index=-1, reduction="sum")
            losses.append(total / labelled)
        optimizer.zero_grad()
        torch.stack(losses).mean().backward()
        optimizer.step()
    return network
