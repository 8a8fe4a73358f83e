"""Scores fitted probes of one view on the test split, and summarises the scores over labels.

Nothing is fitted or chosen here.
Legend: images of the training split, others of the test split, dim of the features.
"""

from collections.abc import Mapping

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from pipeline.data.labels import Label
from pipeline.measure.intervals import Bootstrap
from pipeline.measure.knn import classify
from pipeline.measure.metrics import Metrics, accuracy, r2
from pipeline.probe.fitting import FittedView
from pipeline.probe.linear_probe import Fit, predict_class, predict_number
from pipeline.probe.low_shot import suffix
from pipeline.probe.sgd_probe import predict
from pipeline.probe.targets import Targets
from pipeline.views import ENCODER, MAJORITY, RANDOM_INIT

DIGITS = 6  # of every score: more would not be the same with another number of threads


def score_view(
    fitted: FittedView,
    train_features: Float[Tensor, "images dim"] | None,
    test_features: Float[Tensor, "others dim"],
    train: Targets,
    test: Targets,
    specs: Mapping[str, Label],
    temperature: float,
    bootstrap: Bootstrap,
) -> dict[str, Metrics]:
    """Scores on the test split of every label that `test` holds.

    categorical: accuracy of logistic regression, ci95_low, ci95_high, l2, converged, iterations; knn_accuracy
    and knn_neighbors (where `train_features` are given to search in); sgd_accuracy, sgd_learning_rate;
    accuracy_<share> and accuracy_<share>_sd of few labels, mean and deviation over draws (1pct, 10pct).
    count: the same, and r2, r2_ci95_low, r2_ci95_high, r2_l2 of ridge regression on the quantity, r2_<share>,
    r2_<share>_sd. real: r2, ci95_low, ci95_high, l2, converged, r2_<share>, r2_<share>_sd.
    All: n_train, n_test.
    """
    rotated = fitted.components(test_features)
    voted: dict[str, Tensor] = {}
    if fitted.neighbors and train_features is not None:
        known = {name: train.classes[name] for name in test.classes}
        num_classes = {name: len(specs[name].classes) for name in known}
        voted = classify(train_features, test_features, known, num_classes, fitted.neighbors, temperature)
    standard = fitted.components.standardise(test_features) if fitted.sgd else rotated
    metrics: dict[str, Metrics] = {}
    for name in specs:
        scores: Metrics = {}
        if name in test.classes:
            target = test.classes[name]
            scores |= class_scores(
                fitted.classes[name], predict_class(fitted.classes[name], rotated), target, bootstrap
            )
            if name in voted:
                scores["knn_accuracy"] = round(accuracy(voted[name], target), DIGITS)
                scores["knn_neighbors"] = fitted.neighbors[name]
            if name in fitted.sgd:
                scores["sgd_accuracy"] = round(
                    accuracy(predict(fitted.sgd[name].weights, standard), target), DIGITS
                )
                scores["sgd_learning_rate"] = fitted.sgd[name].learning_rate
        if name in test.numbers:
            of_number = _number_scores(fitted.numbers[name], rotated, test.numbers[name], bootstrap)
            renamed = (
                {"ci95_low": "r2_ci95_low", "ci95_high": "r2_ci95_high", "l2": "r2_l2"} if scores else {}
            )
            scores = {renamed.get(key, key): value for key, value in of_number.items()} | scores
        if scores:
            metrics[name] = scores | _few_label_scores(fitted, rotated, test, name)
    return metrics


def class_scores(fit: Fit | None, predicted: Tensor, target: Tensor, bootstrap: Bootstrap) -> Metrics:
    """Accuracy with its interval, and how the fit ended."""
    labelled = target >= 0
    low, high = bootstrap.accuracy((predicted == target).cpu().numpy(), labelled.cpu().numpy())
    scores: Metrics = {
        "accuracy": round(accuracy(predicted, target), DIGITS),
        "ci95_low": round(low, DIGITS),
        "ci95_high": round(high, DIGITS),
    }
    if fit is not None:
        scores |= {
            "l2": fit.l2,
            "converged": fit.converged,
            "iterations": fit.iterations,
            "n_train": fit.num_train,
        }
    return scores | {"n_test": int(labelled.sum())}


def majority(train: Tensor, test: Tensor) -> Metrics:
    """Accuracy on the test split of the most frequent class of the training split, the lowest of equals."""
    known = train[train >= 0]
    guess = int(known.bincount().argmax()) if len(known) else 0
    return {
        "accuracy": round(accuracy(torch.full_like(test, guess), test), DIGITS),
        "n_train": len(known),
        "n_test": int((test >= 0).sum()),
    }


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


def _number_scores(fit: Fit, features: Tensor, target: Tensor, bootstrap: Bootstrap) -> Metrics:
    labelled = target.isfinite()
    predicted = predict_number(fit, features)
    low, high = bootstrap.r2(predicted.cpu().numpy(), target.cpu().numpy())
    return {
        "r2": round(r2(predicted[labelled], target[labelled]), DIGITS),
        "ci95_low": round(low, DIGITS),
        "ci95_high": round(high, DIGITS),
        "l2": fit.l2,
        "converged": fit.converged,
        "n_train": fit.num_train,
        "n_test": int(labelled.sum()),
    }


def _few_label_scores(fitted: FittedView, rotated: Tensor, test: Targets, name: str) -> Metrics:
    """Mean and sample standard deviation over the draws of each fraction."""
    means: Metrics = {}
    for fraction in dict.fromkeys(draw.fraction for draw in fitted.few):
        draws = [draw for draw in fitted.few if draw.fraction == fraction]
        scores: dict[str, list[float]] = {"accuracy": [], "r2": []}
        for draw in draws:
            if name in draw.classes and name in test.classes:
                guess = predict_class(draw.classes[name], rotated)
                scores["accuracy"].append(accuracy(guess, test.classes[name]))
            if name in draw.numbers and name in test.numbers:
                known = test.numbers[name].isfinite()
                guess = predict_number(draw.numbers[name], rotated)
                scores["r2"].append(r2(guess[known], test.numbers[name][known]))
        for metric, values in scores.items():
            if len(values) == len(draws):  # a label that one draw cannot learn has no mean over draws
                key = f"{metric}_{suffix(fraction)}"
                means[key] = round(float(np.mean(values)), DIGITS)
                if len(values) > 1:
                    means[f"{key}_sd"] = round(float(np.std(values, ddof=1)), DIGITS)
    return means
