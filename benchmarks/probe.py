"""Time, memory and agreement of the linear probe beside scikit-learn's LogisticRegression.

    python -m benchmarks.probe

50,000 x 192 features with singular values over two decades, one label of 100 classes, eight strengths. Both
follow the path from the strongest penalty to the weakest, each fit started from the one before (scikit-learn:
lbfgs, its default tolerance 1e-4, on standardised features), and choose on the same held-out fifth. Agreement
is of the test accuracy, at every strength and at the chosen one, after the fits on the four fifths.
"""

import json
import resource
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from sklearn.linear_model import LogisticRegression

from pipeline import params
from pipeline.evaluation.components import principal_components
from pipeline.evaluation.linear_probe import PATH_TOLERANCE, validation_rows
from pipeline.evaluation.logistic import Problem, logits, solve
from pipeline.evaluation.metrics import accuracy
from pipeline.training.runtime import resolve

NUM_TRAIN, NUM_TEST, DIM, NUM_CLASSES = 50_000, 10_000, 192, 100
STRENGTHS = (1.0, 1e-1, 1e-2, 1e-3, 3e-4, 1e-4, 1e-5, 1e-6)
MAX_ITERATIONS = 1000


def main() -> None:
    runtime = resolve(params.load(Path("params.yaml")).runtime)
    features, target = draw()
    train, test = features[:NUM_TRAIN].to(runtime.device), features[NUM_TRAIN:].to(runtime.device)
    target = target.to(runtime.device)
    validation = torch.from_numpy(validation_rows(NUM_TRAIN, 0.2, seed=0)).to(runtime.device)
    # Scored on the validation part and on the test part, in that order.
    before = peak_mib()
    ours, our_seconds = fit_ours(train, test, target, validation)
    our_memory = peak_mib() - before
    before = peak_mib()
    theirs, their_seconds = fit_theirs(train, test, target, validation)
    their_memory = peak_mib() - before
    chosen = max(range(len(STRENGTHS)), key=lambda k: ours["validation"][k])
    their_choice = max(range(len(STRENGTHS)), key=lambda k: theirs["validation"][k])
    result = {
        "seconds": round(our_seconds, 2),
        "scikit_learn_seconds": round(their_seconds, 2),
        "times_faster": round(their_seconds / our_seconds, 1),
        "l2": STRENGTHS,
        "chosen_l2": STRENGTHS[chosen],
        "scikit_learn_chosen_l2": STRENGTHS[their_choice],
        "accuracy_at_chosen": ours["test"][chosen],
        "scikit_learn_accuracy_at_chosen": theirs["test"][chosen],
        "points_apart_at_chosen": round(100 * abs(ours["test"][chosen] - theirs["test"][chosen]), 3),
        "accuracy": ours,
        "scikit_learn_accuracy": theirs,
        "peak_mib_above_features": round(our_memory),
        "scikit_learn_peak_mib_above_ours": round(their_memory),
        "train": NUM_TRAIN,
        "test": NUM_TEST,
        "dim": DIM,
        "classes": NUM_CLASSES,
        "device": runtime.describe(),
    }
    print(json.dumps(result, indent=2))


def draw() -> tuple[torch.Tensor, torch.Tensor]:
    """Correlated features, and classes that a noisy linear map of the directions behind them decides."""
    generator = torch.Generator().manual_seed(0)
    hidden = torch.randn(NUM_TRAIN + NUM_TEST, DIM, generator=generator)
    scores = hidden @ torch.randn(DIM, NUM_CLASSES, generator=generator)
    noise = torch.randn(scores.shape, generator=generator)
    turn = torch.linalg.qr(torch.randn(DIM, DIM, generator=generator)).Q
    features = (hidden * torch.logspace(0, -2, DIM)) @ turn
    return features, (scores / scores.std() + 0.5 * noise).argmax(1)


def fit_ours(
    train: torch.Tensor, test: torch.Tensor, target: torch.Tensor, validation: torch.Tensor
) -> tuple[dict[str, Any], float]:
    start = time.perf_counter()
    components = principal_components(train)
    rotated, other = components(train), components(test)
    fitting, known = rotated[~validation], target[:NUM_TRAIN]
    found: dict[str, Any] = {"validation": [], "test": [], "iterations": [], "converged": []}
    weights = None
    for l2 in STRENGTHS:
        problem = Problem(known[~validation], NUM_CLASSES, l2)
        solution = solve(fitting, components.variance, [problem], weights, PATH_TOLERANCE)[0]
        weights = [solution.weights]
        guess = logits(solution.weights, rotated[validation]).argmax(1)
        found["validation"].append(accuracy(guess, known[validation]))
        found["test"].append(accuracy(logits(solution.weights, other).argmax(1), target[NUM_TRAIN:]))
        found["iterations"].append(solution.iterations)
        found["converged"].append(solution.converged)
    return found, time.perf_counter() - start


def fit_theirs(
    train: torch.Tensor, test: torch.Tensor, target: torch.Tensor, validation: torch.Tensor
) -> tuple[dict[str, Any], float]:
    start = time.perf_counter()
    mean, std = train.mean(0), train.std(0, correction=0)
    x, x_test = (((part - mean) / std).cpu().numpy() for part in (train, test))
    y, kept = target.cpu().numpy(), ~validation.cpu().numpy()
    found: dict[str, Any] = {"validation": [], "test": [], "iterations": []}
    model = LogisticRegression(max_iter=MAX_ITERATIONS, warm_start=True)
    for l2 in STRENGTHS:
        model.set_params(C=1 / (int(kept.sum()) * l2))
        model.fit(x[kept], y[:NUM_TRAIN][kept])
        found["validation"].append(float(np.mean(model.predict(x[~kept]) == y[:NUM_TRAIN][~kept])))
        found["test"].append(float(np.mean(model.predict(x_test) == y[NUM_TRAIN:])))
        found["iterations"].append(int(model.n_iter_[0]))
    return found, time.perf_counter() - start


def peak_mib() -> float:
    """The largest resident memory of this process so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == "__main__":
    main()
