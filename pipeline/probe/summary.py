"""Means over the labels of a set of what their probes score."""

from collections.abc import Mapping

import numpy as np

from pipeline.measure.metrics import Metrics
from pipeline.probe.scores import DIGITS
from pipeline.views import ENCODER, MAJORITY, RANDOM_INIT


def summarise(labels: Mapping[str, Mapping[str, Metrics]]) -> Metrics:
    """By view, the mean of every kind of accuracy over the labels for which the encoder has an accuracy.

    gain_over_random_init: points of mean accuracy, None where there is no such label.
    labels_clear_of_random_init: labels whose interval lies above that of the encoder at initialisation.
    not_converged: fits, of all views, that stopped before their gradient was small.
    """
    counted = [views for views in labels.values() if "accuracy" in views.get(ENCODER, {})]
    summary: Metrics = {"mean_accuracy": {}, "mean_knn_accuracy": {}}
    for metric in _accuracies(counted):
        views = [
            view
            for view in counted[0]
            if view != MAJORITY and all(metric in label.get(view, {}) for label in counted)
        ]
        means = {view: float(np.mean([label[view][metric] for label in counted])) for view in views}
        if means:
            summary[f"mean_{metric}"] = {view: round(mean, DIGITS) for view, mean in means.items()}
    means = summary["mean_accuracy"]
    gain = round(100 * (means[ENCODER] - means[RANDOM_INIT]), 4) if counted else None
    clear = [views[ENCODER]["ci95_low"] > views[RANDOM_INIT]["ci95_high"] for views in counted]
    every = [scores for views in labels.values() for scores in views.values()]
    return summary | {
        "gain_over_random_init": gain,
        "labels": len(counted),
        "labels_clear_of_random_init": sum(clear),
        "not_converged": sum(not scores.get("converged", True) for scores in every),
    }


def _accuracies(counted: list[Mapping[str, Metrics]]) -> list[str]:
    """The kinds of accuracy that the encoder has, and their deviations, in the order of its fields."""
    return [key for key in counted[0][ENCODER] if "accuracy" in key] if counted else []
