"""Time and agreement of the linear probe beside scikit-learn's LogisticRegression on the same problem.

    python -m benchmarks.probe

Drawn features with singular values over three decades, one label of eight classes, every strength of the
shipped params.yaml. Both are fitted at every strength (scikit-learn: lbfgs, its default tolerance 1e-4, on
standardised features); agreement is of the test accuracy at each strength.
"""

import json
import time
from pathlib import Path

import torch
from sklearn.linear_model import LogisticRegression

from pipeline import params
from pipeline.evaluation.components import principal_components
from pipeline.evaluation.logistic import Problem, logits, solve
from pipeline.evaluation.metrics import accuracy
from pipeline.training.runtime import resolve

NUM_TRAIN, NUM_TEST, DIM, NUM_CLASSES = 50_000, 5_000, 128, 8
MAX_ITERATIONS = 2000


def main() -> None:
    run = params.load(Path("params.yaml"))
    runtime = resolve(run.runtime)
    generator = torch.Generator().manual_seed(0)

    def draw(*shape: int) -> torch.Tensor:
        return torch.randn(*shape, generator=generator)

    hidden = draw(NUM_TRAIN + NUM_TEST, DIM)
    scores = hidden @ draw(DIM, NUM_CLASSES)
    target = (scores / scores.std() + 0.5 * draw(*scores.shape)).argmax(1).to(runtime.device)
    features = (hidden * torch.logspace(0, -3, DIM)) @ torch.linalg.qr(draw(DIM, DIM)).Q
    train, test = features[:NUM_TRAIN].to(runtime.device), features[NUM_TRAIN:].to(runtime.device)

    start = time.perf_counter()
    components = principal_components(train)
    rotated, other = components(train), components(test)
    problems = [Problem(target[:NUM_TRAIN], NUM_CLASSES, l2) for l2 in run.probe.l2]
    solutions = solve(rotated, components.variance, problems)
    ours = [accuracy(logits(found.weights, other).argmax(1), target[NUM_TRAIN:]) for found in solutions]
    our_seconds = time.perf_counter() - start

    start = time.perf_counter()
    mean, std = train.mean(0), train.std(0, correction=0)
    standard, standard_test = ((part - mean) / std for part in (train, test))
    theirs, iterations = [], []
    for l2 in run.probe.l2:
        model = LogisticRegression(C=1 / (NUM_TRAIN * l2), max_iter=MAX_ITERATIONS)
        model.fit(standard.cpu().numpy(), target[:NUM_TRAIN].cpu().numpy())
        theirs.append(float(model.score(standard_test.cpu().numpy(), target[NUM_TRAIN:].cpu().numpy())))
        iterations.append(int(model.n_iter_[0]))
    their_seconds = time.perf_counter() - start

    print(
        json.dumps(
            {
                "seconds": round(our_seconds, 2),
                "scikit_learn_seconds": round(their_seconds, 2),
                "l2": list(run.probe.l2),
                "accuracy": ours,
                "scikit_learn_accuracy": theirs,
                "largest_difference": max(abs(a - b) for a, b in zip(ours, theirs, strict=True)),
                "iterations": [found.iterations for found in solutions],
                "scikit_learn_iterations": iterations,
                "converged": all(found.converged for found in solutions),
                "train": NUM_TRAIN,
                "test": NUM_TEST,
                "dim": DIM,
                "classes": NUM_CLASSES,
                "device": runtime.describe(),
            },
            indent=2,
        )
    )


if __name__ == "__main__":
    main()
