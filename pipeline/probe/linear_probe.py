"""Linear probes of frozen features: logistic regression and ridge regression over a grid of penalties.

Both work in the principal components of the standardised features: a rotation, which leaves |W| as it is. The
strength is chosen on a validation part of the training split, and the model is then fitted to the whole
training split at that strength alone. Fitting never sees the images that are scored in the end.

Legend: images, dim of the features, components <= dim, strengths of the grid.
"""

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from pipeline.measure.metrics import accuracy, r2
from pipeline.measure.ridge import apply_ridge, ridge
from pipeline.measure.same_images import with_the_same_images
from pipeline.probe.logistic import Problem, logits, solve

PATH_TOLERANCE = 3e-2  # 5e-4 nats are left: enough to choose a strength by
FINAL_TOLERANCE = 1e-3  # 5e-7 nats


@dataclass(frozen=True)
class Fit:
    """weights: (classes, components + 1), the bias last; of a number (1, components + 1). l2: the chosen one.

    num_train: labelled images. validation: accuracy on the validation part at the chosen strength, of a fit
    that saw none of it; None where nothing was chosen, and of a number. converged, iterations, gradient_norm:
    of the final fit (pipeline.probe.logistic.solve); ridge regression is solved exactly: True, 0, 0.0.
    """

    weights: Float[Tensor, "outputs components_and_bias"]
    l2: float
    num_train: int
    validation: float | None = None
    converged: bool = True
    iterations: int = 0
    gradient_norm: float = 0.0


def validation_rows(num_images: int, fraction: float, seed: int) -> Bool[np.ndarray, " images"]:
    """A random set of `fraction` of the images, at least one and not all; the same for the same arguments."""
    assert num_images >= 2
    size = min(max(round(fraction * num_images), 1), num_images - 1)
    chosen = np.zeros(num_images, dtype=bool)
    chosen[np.random.default_rng(seed).permutation(num_images)[:size]] = True
    return chosen


def fit_classes(
    train: Float[Tensor, "images components"],
    variance: Float[Tensor, " components"],
    targets: dict[str, Int[Tensor, " images"]],
    num_classes: dict[str, int],
    strengths: tuple[float, ...],
    validation: Bool[Tensor, " images"],
) -> dict[str, Fit]:
    """Logistic regression of every label on the components `train`.

    The labels are solved together, from the strongest penalty to the weakest; each solution starts the next.
    The strength with the highest validation accuracy is chosen, the strongest of equals. A label with no
    labelled validation image keeps the strongest. Images whose target is -1 are left out.
    """
    names = list(targets)
    if not names:
        return {}
    descending = sorted(strengths, reverse=True)
    best = dict.fromkeys(names, (-1.0, descending[0]))
    warm: dict[str, Tensor] = {}
    fitting, judging = train[~validation], train[validation]
    start = None
    for l2 in descending if len(descending) > 1 else []:
        problems = [Problem(targets[name][~validation], num_classes[name], l2) for name in names]
        solutions = solve(fitting, variance, problems, start, PATH_TOLERANCE)
        start = [solution.weights for solution in solutions]
        for name, solution in zip(names, solutions, strict=True):
            right = accuracy(logits(solution.weights, judging).argmax(1), targets[name][validation])
            if right > best[name][0]:
                best[name] = (right, l2)
                warm[name] = solution.weights
    problems = [Problem(targets[name], num_classes[name], best[name][1]) for name in names]
    warm_start = [warm[name] for name in names] if len(warm) == len(names) else None
    solutions = solve(train, variance, problems, warm_start, FINAL_TOLERANCE)
    return {
        name: Fit(
            weights=solution.weights,
            l2=best[name][1],
            num_train=int((targets[name] >= 0).sum()),
            validation=best[name][0] if name in warm else None,
            converged=solution.converged,
            iterations=solution.iterations,
            gradient_norm=solution.gradient_norm,
        )
        for name, solution in zip(names, solutions, strict=True)
    }


def fit_numbers(
    train: Float[Tensor, "images components"],
    targets: dict[str, Float[Tensor, " images"]],
    strengths: tuple[float, ...],
    validation: Bool[Tensor, " images"],
) -> dict[str, Fit]:
    """Ridge regression of every label on the components `train`.

    The strength with the highest validation R^2 is chosen, the strongest of equals. Labels that miss the
    same images share one decomposition. Images whose target is NaN are left out.
    """
    descending = tuple(sorted(strengths, reverse=True))
    fits = {}
    known_images = {name: ~target.isnan().cpu().numpy() for name, target in targets.items()}
    for names in with_the_same_images(known_images):
        values = torch.stack([targets[name] for name in names], dim=1).double()
        known = ~values[:, 0].isnan()
        best = [0] * len(names)
        if bool((known & validation).any()) and bool((known & ~validation).any()):
            weights = ridge(train[known & ~validation], values[known & ~validation], descending)
            guesses = apply_ridge(weights, train[known & validation])
            truth = values[known & validation]
            for k in range(len(names)):
                scores = [r2(guess[:, k], truth[:, k]) for guess in guesses]
                best[k] = scores.index(max(scores))
        weights = ridge(train[known], values[known], descending)
        for k, name in enumerate(names):
            fits[name] = Fit(weights[best[k], :, k][None], descending[best[k]], num_train=int(known.sum()))
    return {name: fits[name] for name in targets}


def predict_class(fit: Fit, features: Float[Tensor, "images components"]) -> Int[Tensor, " images"]:
    """The class with the largest logit."""
    return logits(fit.weights, features).argmax(1)


def predict_number(fit: Fit, features: Float[Tensor, "images components"]) -> Float[Tensor, " images"]:
    """w z + b, float64."""
    return apply_ridge(fit.weights.T[None], features)[0, :, 0]
