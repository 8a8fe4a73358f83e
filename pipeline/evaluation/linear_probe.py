"""Linear probes of frozen features: logistic regression and ridge regression over a grid of penalties.

Both work in the principal components of the standardised features: a rotation, which leaves |W| as it is. The
strength is chosen on a validation part of the training split; the model is then fitted to the whole training
split at that strength alone, and applied once to the test split.

Legend: images, dim of the features, components <= dim, strengths of the grid.
"""

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from pipeline.evaluation.logistic import Problem, logits, solve

CHUNK = 16384
CONSTANT = 1e-6  # std / |mean| below which a dimension is constant: float32 cannot hold less
NO_VARIANCE = 1e-12  # of the largest component: below is rounding, on which no weight is learned
PATH_TOLERANCE = 1e-3
FINAL_TOLERANCE = 1e-4


@dataclass(frozen=True)
class Components:
    """Standardisation and rotation: z = ((x - mean) * inverse_std) @ rotation.

    inverse_std: 0 for dimensions that are constant over the training images. variance: of each component
    over the training images, descending and positive.
    """

    mean: Float[Tensor, " dim"]
    inverse_std: Float[Tensor, " dim"]
    rotation: Float[Tensor, "dim components"]
    variance: Float[Tensor, " components"]

    def __call__(self, features: Float[Tensor, "images dim"]) -> Float[Tensor, "images components"]:
        """In the dtype of `features`; the sums are float64."""
        rows = [
            ((chunk.double() - self.mean) * self.inverse_std @ self.rotation).to(features.dtype)
            for chunk in features.split(CHUNK)
        ]
        return torch.cat(rows)


@dataclass(frozen=True)
class Probe:
    """predicted: of the test images, class (int64) or number. l2: the chosen strength.

    converged, iterations, gradient_norm: of the final fit (pipeline.evaluation.logistic.solve); ridge
    regression is solved exactly: True, 0, 0.0.
    """

    predicted: Tensor
    l2: float
    num_train: int
    converged: bool = True
    iterations: int = 0
    gradient_norm: float = 0.0


def principal_components(features: Float[Tensor, "images dim"]) -> Components:
    """Standardise by the mean and std of `features` (population), and rotate to uncorrelated directions.

    Constant dimensions count as zero. At least one component is kept, so that constant features still give
    a probe that predicts by its bias.
    """
    mean = features.mean(0, dtype=torch.float64)
    dim = features.shape[1]
    covariance = torch.zeros(dim, dim, dtype=torch.float64, device=features.device)
    for chunk in features.split(CHUNK):
        centred = chunk.double() - mean
        covariance += centred.T @ centred / len(features)
    std = covariance.diagonal().sqrt()
    inverse_std = torch.where(std > CONSTANT * mean.abs(), 1 / std, 0)
    inverse_std[~inverse_std.isfinite()] = 0
    variance, rotation = torch.linalg.eigh(inverse_std[:, None] * covariance * inverse_std)
    variance, rotation = variance.flip(0), rotation.flip(1)
    kept = max(int((variance > NO_VARIANCE * variance[0]).sum()), 1)
    return Components(mean, inverse_std, rotation[:, :kept], variance[:kept].clamp(min=NO_VARIANCE))


def validation_rows(num_images: int, fraction: float, seed: int) -> Bool[np.ndarray, " images"]:
    """A random set of `fraction` of the images, at least one and not all; the same for the same arguments."""
    assert num_images >= 2
    size = min(max(round(fraction * num_images), 1), num_images - 1)
    chosen = np.zeros(num_images, dtype=bool)
    chosen[np.random.default_rng(seed).permutation(num_images)[:size]] = True
    return chosen


def probe_classes(
    train: Float[Tensor, "images components"],
    test: Float[Tensor, "others components"],
    variance: Float[Tensor, " components"],
    targets: dict[str, Int[Tensor, " images"]],
    num_classes: dict[str, int],
    strengths: tuple[float, ...],
    validation: Bool[Tensor, " images"],
) -> dict[str, Probe]:
    """Logistic regression of every label on the components `train`; predictions for `test`.

    The labels are solved together, from the strongest penalty to the weakest, each from the solution before
    it. Chosen is the strength with the highest validation accuracy, the strongest of equals. A label with no
    labelled validation image keeps the strongest. Images whose target is -1 are left out of everything.
    """
    names = list(targets)
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
        name: Probe(
            predicted=logits(solution.weights, test).argmax(1),
            l2=best[name][1],
            num_train=int((targets[name] >= 0).sum()),
            converged=solution.converged,
            iterations=solution.iterations,
            gradient_norm=solution.gradient_norm,
        )
        for name, solution in zip(names, solutions, strict=True)
    }


def probe_numbers(
    train: Float[Tensor, "images components"],
    test: Float[Tensor, "others components"],
    targets: dict[str, Float[Tensor, " images"]],
    strengths: tuple[float, ...],
    validation: Bool[Tensor, " images"],
) -> dict[str, Probe]:
    """Ridge regression of every label on the components `train`; predictions (float64) for `test`.

    Chosen is the strength with the highest validation R^2, the strongest of equals. Labels that miss the
    same images share one decomposition. Images whose target is NaN are left out.
    """
    descending = tuple(sorted(strengths, reverse=True))
    groups: dict[bytes, list[str]] = {}
    for name, target in targets.items():
        groups.setdefault(target.isnan().cpu().numpy().tobytes(), []).append(name)
    probes = {}
    for names in groups.values():
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
            predicted = apply_ridge(weights[best[k] : best[k] + 1, :, k : k + 1], test)[0, :, 0]
            probes[name] = Probe(predicted, descending[best[k]], num_train=int(known.sum()))
    return {name: probes[name] for name in targets}


def ridge(
    features: Float[Tensor, "images dim"],
    targets: Float[Tensor, "images targets"],
    strengths: tuple[float, ...],
) -> Float[Tensor, "strengths dim_and_bias targets"]:
    """Weights, the bias last, that minimise mean_i (w z_i + b - y_i)^2 + l2 |w|^2 for every strength.

    One decomposition Z'Z / n = U diag(e) U' serves all: w = U diag(1 / (e + l2)) U' Z'Y / n, of centred Z and
    Y. scikit-learn's alpha is images * l2. float64.
    """
    mean, centre = features.mean(0, dtype=torch.float64), targets.double().mean(0)
    dim, num_targets = features.shape[1], targets.shape[1]
    gram = torch.zeros(dim, dim + num_targets, dtype=torch.float64, device=features.device)
    for chunk, values in zip(features.split(CHUNK), targets.split(CHUNK), strict=True):
        centred = chunk.double() - mean
        gram += centred.T @ torch.cat([centred, values.double() - centre], dim=1) / len(features)
    values, vectors = torch.linalg.eigh(gram[:, :dim])
    moments = vectors.T @ gram[:, dim:]
    solutions = torch.stack([vectors @ (moments / (values.clamp(min=0) + l2)[:, None]) for l2 in strengths])
    bias = centre - torch.einsum("d,sdt->st", mean, solutions)
    return torch.cat([solutions, bias[:, None]], dim=1)


def apply_ridge(
    weights: Float[Tensor, "strengths dim_and_bias targets"], features: Float[Tensor, "images dim"]
) -> Float[Tensor, "strengths images targets"]:
    """w z + b, float64."""
    return features.double() @ weights[:, :-1] + weights[:, -1:]


def accuracy(predicted: Int[Tensor, " images"], target: Int[Tensor, " images"]) -> float:
    """Share of the labelled images (target >= 0) that are predicted right; 0 where none is labelled."""
    labelled = target >= 0
    return ((predicted == target) & labelled).sum().item() / max(int(labelled.sum()), 1)


def r2(predicted: Float[Tensor, " images"], target: Float[Tensor, " images"]) -> float:
    """1 - sum (y - y^)^2 / sum (y - mean y)^2; 0 where all targets are equal or there is none."""
    if len(target) == 0:
        return 0.0
    total = (target - target.mean()).square().sum().item()
    return 1 - (target - predicted).square().sum().item() / total if total > 0 else 0.0
