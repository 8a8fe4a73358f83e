"""Time, memory and agreement of the linear probe beside scikit-learn's LogisticRegression.

    python -m benchmarks.probe [--path] [--default-tolerance]

The data are 50,000 x 192 features with singular values over two decades, and one label of 100 classes. Eight
strengths of the penalty are fitted, and one is chosen on a held-out fifth. scikit-learn (lbfgs, float32 as
ours, on standardised features) is called as it usually is, once per strength. Its tolerance is 1e-5: at the
default of 1e-4 it stops so early that it loses accuracy at the weak strengths. Both take turns, strength by
strength, so that other work hurts both. Agreement is of the test accuracy. A line per strength goes to
standard error.
"""

import argparse
import json
import resource
import sys
import time
from typing import Any

import torch
from sklearn.linear_model import LogisticRegression

from benchmarks.common import DEFAULTS
from pipeline import params
from pipeline.measure.components import principal_components
from pipeline.measure.metrics import accuracy
from pipeline.probe.linear_probe import PATH_TOLERANCE, validation_rows
from pipeline.probe.logistic import Problem, logits, solve
from pipeline.runtime import resolve

NUM_TRAIN, NUM_TEST, DIM, NUM_CLASSES = 50_000, 10_000, 192, 100
STRENGTHS = (1.0, 1e-1, 1e-2, 1e-3, 3e-4, 1e-4, 1e-5, 1e-6)
MAX_ITERATIONS = 1000


class Clock:
    """Wall and processor seconds, summed over the bodies of `with`."""

    def __init__(self) -> None:
        self.wall = self.cpu = 0.0

    def __enter__(self) -> None:
        self._start = time.perf_counter(), time.process_time()

    def __exit__(self, *_: object) -> None:
        self.wall += time.perf_counter() - self._start[0]
        self.cpu += time.process_time() - self._start[1]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--path",
        action="store_true",
        help="scikit-learn starts each fit from the one before, the strongest penalty first, as ours does",
    )
    parser.add_argument("--default-tolerance", action="store_true", help="scikit-learn's own tolerance, 1e-4")
    arguments = parser.parse_args()
    runtime = resolve(params.load(DEFAULTS).runtime)
    features, target = draw()
    train, test = features[:NUM_TRAIN].to(runtime.device), features[NUM_TRAIN:].to(runtime.device)
    known, answer = target[:NUM_TRAIN].to(runtime.device), target[NUM_TRAIN:].to(runtime.device)
    validation = torch.from_numpy(validation_rows(NUM_TRAIN, 0.2, seed=0)).to(runtime.device)
    our_clock, their_clock = Clock(), Clock()

    before = peak_mib()
    with our_clock:
        components = principal_components(train)
        rotated, other = components(train), components(test)
        fitting = rotated[~validation]
    weights = None
    with their_clock:
        mean, std = train.mean(0), train.std(0, correction=0)
        standard, standard_test = ((part - mean) / std for part in (train, test))
        x, y = standard[~validation].cpu().numpy(), known[~validation].cpu().numpy()
        tolerance = 1e-4 if arguments.default_tolerance else 1e-5
        model = LogisticRegression(max_iter=MAX_ITERATIONS, tol=tolerance, warm_start=arguments.path)
    rows: list[dict[str, Any]] = []
    our_memory = 0.0
    for l2 in STRENGTHS:
        with our_clock:
            problem = Problem(known[~validation], NUM_CLASSES, l2)
            solution = solve(fitting, components.variance, [problem], weights, PATH_TOLERANCE)[0]
            weights = [solution.weights]
        our_memory = our_memory or peak_mib() - before
        with their_clock:
            model.set_params(C=1 / (len(x) * l2))
            model.fit(x, y)
        row: dict[str, Any] = {"l2": l2, "seconds": our_clock.wall, "scikit_learn_seconds": their_clock.wall}
        row |= {"cpu_seconds": our_clock.cpu, "scikit_learn_cpu_seconds": their_clock.cpu}
        row |= {"iterations": solution.iterations, "scikit_learn_iterations": int(model.n_iter_[0])}
        row["converged"] = solution.converged
        for name, ours, theirs, truth in (
            ("validation", rotated[validation], standard[validation], known[validation]),
            ("test", other, standard_test, answer),
        ):
            guess = torch.from_numpy(model.predict(theirs.cpu().numpy())).to(truth)
            row[name] = accuracy(logits(solution.weights, ours).argmax(1), truth)
            row[f"scikit_learn_{name}"] = accuracy(guess, truth)
        rows.append(row)
        print(json.dumps(row), file=sys.stderr, flush=True)
    ours, theirs = (max(rows, key=lambda row: row[f"{who}validation"]) for who in ("", "scikit_learn_"))
    result = {
        "scikit_learn_path": arguments.path,
        "scikit_learn_tolerance": tolerance,
        "times_faster": their_clock.wall / our_clock.wall,
        "times_faster_cpu": their_clock.cpu / our_clock.cpu,
        "chosen_l2": ours["l2"],
        "scikit_learn_chosen_l2": theirs["l2"],
        "points_apart_at_chosen": 100 * (ours["test"] - ours["scikit_learn_test"]),
        "peak_mib_of_first_fits": our_memory,
        "rows": rows,
        "train": len(fitting),
        "dim": DIM,
        "classes": NUM_CLASSES,
        "device": runtime.describe(),
    }
    print(json.dumps(result, indent=2))


def draw() -> tuple[torch.Tensor, torch.Tensor]:
    """Correlated features, and the classes that a noisy linear map of their principal directions gives."""
    generator = torch.Generator().manual_seed(0)
    hidden = torch.randn(NUM_TRAIN + NUM_TEST, DIM, generator=generator)
    scores = hidden @ torch.randn(DIM, NUM_CLASSES, generator=generator)
    noise = torch.randn(scores.shape, generator=generator)
    turn = torch.linalg.qr(torch.randn(DIM, DIM, generator=generator)).Q
    features = (hidden * torch.logspace(0, -2, DIM)) @ turn
    return features, (scores / scores.std() + 0.5 * noise).argmax(1)


def peak_mib() -> float:
    """The largest resident memory of this process so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == "__main__":
    main()
