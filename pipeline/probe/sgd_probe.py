"""The linear probe as papers train it: a linear layer on normalised features, by SGD or AdamW.

A batch normalisation without weights (here by the training split's own mean and deviation, which those of
batches tend to), a linear layer that starts at zero, momentum SGD or AdamW, linear warm-up, a cosine to zero.
Features are frozen and computed once, so images are not augmented. The learning rate is chosen on the
validation part, then the layer is trained on the whole training split at that rate.

All labels, and in the first pass all learning rates, are trained side by side on the same batches.

Sources: He et al. 2022 (MAE), appendix A.1; Assran et al. 2023 (I-JEPA), appendix A.2.
Legend: images, dim of the features.
"""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from pipeline.measure.metrics import accuracy
from pipeline.params import SgdParams
from pipeline.views import GROUPS, LATENT, PIXELS_PCA

NOT_OF_ENCODERS = (LATENT, GROUPS, PIXELS_PCA)  # papers train this probe on an encoder's features alone


@dataclass(frozen=True)
class SgdFit:
    """weights: (classes, dim + 1), the bias last, of standardised features. learning_rate: the chosen one."""

    weights: Float[Tensor, "classes dim_and_bias"]
    learning_rate: float


def fit_sgd(
    features: Float[Tensor, "images dim"],
    targets: dict[str, Int[Tensor, " images"]],
    num_classes: dict[str, int],
    params: SgdParams,
    validation: Bool[Tensor, " images"],
    seed: int,
) -> dict[str, SgdFit]:
    """Train a layer for every label on standardised features. Images whose target is -1 do not count for it.

    The learning rate with the highest validation accuracy is chosen, the lowest of equals. Batches are drawn
    from `seed` and the epoch.
    """
    ascending = sorted(params.learning_rates)
    chosen = dict.fromkeys(targets, ascending[0])
    if len(ascending) > 1:
        fitting = {name: target[~validation] for name, target in targets.items()}
        wanted = [(name, rate) for name in targets for rate in ascending]
        layers = _train(features[~validation], fitting, num_classes, wanted, params, seed)
        for name, target in targets.items():
            truth = target[validation]
            scores = [
                accuracy(predict(layers[name, rate], features[validation]), truth) for rate in ascending
            ]
            chosen[name] = ascending[scores.index(max(scores))]
    layers = _train(features, targets, num_classes, list(chosen.items()), params, seed)
    return {name: SgdFit(layers[name, rate], rate) for name, rate in chosen.items()}


def predict(
    weights: Float[Tensor, "classes dim_and_bias"], features: Float[Tensor, "images dim"]
) -> Int[Tensor, " images"]:
    """The class with the largest logit, of standardised features."""
    return (features @ weights[:, :-1].T + weights[:, -1]).argmax(1)


def cosine(step: int, steps: int, warmup_fraction: float) -> float:
    """Share of the learning rate at a step: linear warm-up, then a cosine that ends at 0 after the last."""
    warmup = round(warmup_fraction * steps)
    if step < warmup:
        return (step + 1) / warmup
    return (1 + math.cos(math.pi * (step - warmup) / max(steps - warmup, 1))) / 2


def _train(
    features: Tensor,
    targets: dict[str, Tensor],
    num_classes: dict[str, int],
    wanted: list[tuple[str, float]],
    params: SgdParams,
    seed: int,
) -> dict[tuple[str, float], Tensor]:
    """A layer for each (label, learning rate).

    The layers of a learning rate are one tensor, padded to the largest number of classes: a tensor for each
    would leave most of the time to bookkeeping. A padded class has no probability, so its weights stay 0.
    """
    rates = sorted({rate for _, rate in wanted})
    ordered = [key for rate in rates for key in wanted if key[1] == rate]
    device, largest = features.device, max(num_classes[name] for name, _ in wanted)
    sizes = torch.tensor([num_classes[name] for name, _ in ordered], device=device)
    padding = torch.arange(largest, device=device) >= sizes[:, None]
    counts = [sum(rate == key[1] for key in wanted) for rate in rates]
    layers = [torch.zeros(count * largest, features.shape[1] + 1, device=device) for count in counts]
    groups = [{"params": [layer], "lr": rate} for layer, rate in zip(layers, rates, strict=True)]
    optimizer: torch.optim.Optimizer
    if params.optimizer == "sgd":
        optimizer = torch.optim.SGD(groups, momentum=params.momentum, weight_decay=params.weight_decay)
    else:
        optimizer = torch.optim.AdamW(groups, weight_decay=params.weight_decay)
    classes = torch.stack([targets[name] for name, _ in ordered])
    batches = math.ceil(len(features) / params.batch_size)
    steps = params.epochs * batches
    order = torch.arange(len(features))
    for step in range(steps):
        if step % batches == 0:
            generator = torch.Generator().manual_seed(seed + step // batches)
            order = torch.randperm(len(features), generator=generator).to(device)
        start = step % batches * params.batch_size
        rows = order[start : start + params.batch_size]
        batch = features[rows]
        share = cosine(step, steps, params.warmup_fraction)
        for group, rate in zip(optimizer.param_groups, rates, strict=True):
            group["lr"] = rate * share
        weights = torch.cat(layers)
        outputs = torch.addmm(weights[:, -1:], weights[:, :-1], batch.T).unflatten(0, padding.shape)
        outputs.masked_fill_(padding[..., None], -torch.inf)
        slopes = _loss_slopes(outputs, classes[:, rows]).flatten(0, 1)
        gradient = torch.cat([slopes @ batch, slopes.sum(1, keepdim=True)], dim=1)
        for layer, part in zip(layers, gradient.split([len(layer) for layer in layers]), strict=True):
            layer.grad = part
        optimizer.step()
    finished = torch.cat(layers).unflatten(0, padding.shape)
    return {key: layer[: num_classes[key[0]]] for key, layer in zip(ordered, finished, strict=True)}


def _loss_slopes(
    outputs: Float[Tensor, "layers classes images"], truth: Int[Tensor, "layers images"]
) -> Float[Tensor, "layers classes images"]:
    """The derivative by the outputs of each layer's mean cross-entropy over the images that have its label.

    (softmax(outputs) - [class is true]) / known images, 0 for an image whose class is -1. Written out because
    autograd takes twice the time. Images come last because a softmax over a few neighbours in memory takes
    four times as long.
    """
    known = truth >= 0
    shares = outputs.softmax(1)
    index = truth.clamp(min=0)[:, None]
    shares.scatter_add_(1, index, torch.full_like(index, -1, dtype=shares.dtype))
    return shares.mul_((known / known.sum(1, keepdim=True).clamp(min=1))[:, None])
