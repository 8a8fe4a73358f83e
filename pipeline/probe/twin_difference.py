"""The encoder less its dense twin, over the same test images.

Both views answer the same images, so hard images are hard for both. The bootstrap draws each image with both
answers to it: what the images do to both cancels, and the interval is narrower than that of two scores alone.

Legend: rows of the test split (images, or their patches).
"""

from collections.abc import Mapping

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from pipeline.measure.intervals import Bootstrap, Interval
from pipeline.measure.metrics import Metrics, r2
from pipeline.probe.scores import DIGITS, Answers


def label_differences(
    encoder: Answers, twin: Answers, numbers: Mapping[str, Float[Tensor, " rows"]], bootstrap: Bootstrap
) -> dict[str, Metrics]:
    """By label: less_twin, less_twin_ci95_low, less_twin_ci95_high of the accuracy, or of the R^2 of a label
    without classes.

    numbers: the true ones, NaN where a row has no label.
    """
    differences = {}
    for label, correct in encoder.correct.items():
        of_rows = correct["accuracy"] - twin.correct[label]["accuracy"]
        differences[label] = _named(
            float(np.nanmean(of_rows, dtype=np.float64)), bootstrap.mean(of_rows[:, None])
        )
    for label, predicted in encoder.numbers.items():
        of_twin, target = twin.numbers[label], numbers[label].cpu()
        known = target.isfinite()
        r2s = [r2(torch.from_numpy(each)[known], target[known]) for each in (predicted, of_twin)]
        interval = bootstrap.r2_difference(predicted, of_twin, target.numpy())
        differences[label] = _named(r2s[0] - r2s[1], interval)
    return differences


def mean_differences(encoder: Answers, twin: Answers, bootstrap: Bootstrap) -> dict[str, Metrics]:
    """By kind of accuracy that both views have for every label with classes: mean, ci95_low, ci95_high, and
    n_test, the images that have such an answer.

    The mean is over labels. A resample of images is drawn for all labels at once, so the interval is that of
    this mean, however much the answers to two labels depend on each other.
    """
    if not encoder.correct:
        return {}
    pairs = [(correct, twin.correct[label]) for label, correct in encoder.correct.items()]
    differences = {}
    for kind in next(iter(encoder.correct.values())):
        if all(kind in first and kind in second for first, second in pairs):
            of_rows = np.stack([first[kind] - second[kind] for first, second in pairs], axis=1)
            low, high = bootstrap.mean(of_rows)
            mean = float(np.nanmean(of_rows, axis=0, dtype=np.float64).mean())
            scores = {"mean": mean, "ci95_low": low, "ci95_high": high}
            differences[kind] = {key: round(value, DIGITS) for key, value in scores.items()}
            differences[kind]["n_test"] = int(np.isfinite(of_rows).any(1).sum())
    return differences


def _named(difference: float, interval: Interval) -> Metrics:
    scores = {
        "less_twin": difference,
        "less_twin_ci95_low": interval[0],
        "less_twin_ci95_high": interval[1],
    }
    return {key: round(value, DIGITS) for key, value in scores.items()}
