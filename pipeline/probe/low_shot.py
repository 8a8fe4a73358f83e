"""Probes that learn from few labels: from a share of the training images, drawn several times.

The whole procedure sees only the labels of the drawn images; the strength is chosen on a part of them.
Features are standardised by the statistics of all training images, as those need no labels.
"""

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from pipeline.params import ProbeParams
from pipeline.probe.linear_probe import Fit, fit_classes, fit_numbers, validation_rows
from pipeline.probe.targets import Targets, unusable

MIN_DRAWN = 20  # images; a smaller draw is skipped


@dataclass(frozen=True)
class Draw:
    """Fits to some labels of some training images. Labels that do not vary in them are absent.

    name: how the names of their scores end; several draws may have one, and their mean is scored.
    """

    name: str
    classes: dict[str, Fit]
    numbers: dict[str, Fit]


def drawn_rows(num_images: int, fraction: float, draw: int, seed: int) -> np.ndarray:
    """Rows of draw number `draw`, ascending. A larger fraction of the same draw contains the smaller ones."""
    order = np.random.default_rng([seed, draw]).permutation(num_images)
    return np.sort(order[: round(fraction * num_images)])


def fit_few(
    train: Float[Tensor, "images components"],
    variance: Float[Tensor, " components"],
    targets: Targets,
    num_classes: dict[str, int],
    params: ProbeParams,
) -> list[Draw]:
    """Every draw of every fraction that leaves at least 20 images."""
    draws = []
    for fraction in params.low_shot.fractions:
        for draw in range(params.low_shot.draws):
            rows = torch.from_numpy(drawn_rows(len(train), fraction, draw, params.seed)).to(train.device)
            if len(rows) < MIN_DRAWN:
                continue
            draws.append(fit_draw(suffix(fraction), rows, train, variance, targets, num_classes, params))
    return draws


def fit_draw(
    name: str,
    rows: Int[Tensor, " drawn"],
    train: Float[Tensor, "images components"],
    variance: Float[Tensor, " components"],
    targets: Targets,
    num_classes: dict[str, int],
    params: ProbeParams,
) -> Draw:
    """Every label that varies in the drawn images, fitted to them alone; strengths are chosen on a part of
    them."""
    few = targets.rows(rows)
    few = few.only({*few.classes, *few.numbers} - set(unusable(few)))
    chosen = validation_rows(len(rows), params.validation_fraction, params.seed)
    validation = torch.from_numpy(chosen).to(train.device)
    classes = fit_classes(train[rows], variance, few.classes, num_classes, params.l2, validation)
    return Draw(name, classes, fit_numbers(train[rows], few.numbers, params.l2, validation))


def suffix(fraction: float) -> str:
    """What the scores' names end in: 0.01 -> "1pct"."""
    return f"{100 * fraction:g}pct".replace(".", "_")
