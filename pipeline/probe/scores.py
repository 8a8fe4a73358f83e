"""Scores fitted probes of one view on the test split. Nothing is fitted or chosen here.

Legend: images of the training split, others of the test split, dim of the features.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from pipeline.data.labels import Label
from pipeline.measure.intervals import Bootstrap
from pipeline.measure.knn import classify
from pipeline.measure.metrics import Metrics, accuracy, r2
from pipeline.probe.fitting import FittedView
from pipeline.probe.linear_probe import Fit, predict_class, predict_number
from pipeline.probe.sgd_probe import predict
from pipeline.probe.targets import Targets

DIGITS = 6  # of every score: more would not be the same with another number of threads


@dataclass(frozen=True)
class Answers:
    """What the probes of one view answer on the test split, to be compared with those of another view.

    correct: label -> kind of accuracy -> `is_correct` of each image; of few labels its mean over draws.
    classes: label -> the class that the linear probe predicts for each image.
    numbers: label without classes -> the number that ridge regression predicts for each image.
    """

    correct: dict[str, dict[str, Float[np.ndarray, " others"]]] = field(default_factory=dict)
    classes: dict[str, Int[np.ndarray, " others"]] = field(default_factory=dict)
    numbers: dict[str, Float[np.ndarray, " others"]] = field(default_factory=dict)


def score_view(
    fitted: FittedView,
    train_features: Float[Tensor, "images dim"] | None,
    test_features: Float[Tensor, "others dim"],
    train: Targets,
    test: Targets,
    specs: Mapping[str, Label],
    temperature: float,
    bootstrap: Bootstrap,
    corrupted: Mapping[str, tuple[Tensor, Tensor]] | None = None,
) -> tuple[dict[str, Metrics], Answers]:
    """Scores on the test split of every label that `test` holds, and the answers that they count.

    categorical: accuracy of logistic regression, ci95_low, ci95_high, validation_accuracy, l2, converged,
    iterations; knn_accuracy
    and knn_neighbors (where `train_features` are given to search in); sgd_accuracy, sgd_learning_rate;
    accuracy_<share> and accuracy_<share>_sd of few labels, mean and deviation over draws (1pct, 10pct);
    accuracy_noise<share> of wrong labels (noise60pct); accuracy_<corruption> of the linear probe.
    count: the same, and r2, r2_ci95_low, r2_ci95_high, r2_l2 of ridge regression on the quantity, r2_<share>,
    r2_<share>_sd. real: r2, ci95_low, ci95_high, l2, converged, r2_<share>, r2_<share>_sd.
    All: n_train, n_test.

    corrupted: by corruption, rows of the test split and their features under it.
    """
    rotated = fitted.components(test_features)
    voted: dict[str, Tensor] = {}
    if fitted.neighbors and train_features is not None:
        known = {name: train.classes[name] for name in test.classes}
        num_classes = {name: len(specs[name].classes) for name in known}
        voted = classify(train_features, test_features, known, num_classes, fitted.neighbors, temperature)
    standard = fitted.components.standardise(test_features) if fitted.sgd else rotated
    metrics: dict[str, Metrics] = {}
    answers = Answers()
    for name in specs:
        scores: Metrics = {}
        correct: dict[str, np.ndarray] = {}
        if name in test.classes:
            target, fit = test.classes[name], fitted.classes[name]
            guess = predict_class(fit, rotated)
            scores |= class_scores(fit, guess, target, bootstrap)
            correct["accuracy"] = is_correct(guess, target)
            answers.classes[name] = guess.cpu().numpy()
            if name in voted:
                scores["knn_accuracy"] = round(accuracy(voted[name], target), DIGITS)
                scores["knn_neighbors"] = fitted.neighbors[name]
                correct["knn_accuracy"] = is_correct(voted[name], target)
            if name in fitted.sgd:
                guess = predict(fitted.sgd[name].weights, standard)
                scores["sgd_accuracy"] = round(accuracy(guess, target), DIGITS)
                scores["sgd_learning_rate"] = fitted.sgd[name].learning_rate
                correct["sgd_accuracy"] = is_correct(guess, target)
            for corruption, (rows, features) in (corrupted or {}).items():
                guess, of_rows = predict_class(fit, fitted.components(features)), target[rows]
                scores[f"accuracy_{corruption}"] = round(accuracy(guess, of_rows), DIGITS)
                right = np.full(len(target), np.nan, dtype=np.float32)
                right[rows.cpu().numpy()] = is_correct(guess, of_rows)
                correct[f"accuracy_{corruption}"] = right
        if name in test.numbers:
            predicted = predict_number(fitted.numbers[name], rotated)
            of_number = _number_scores(fitted.numbers[name], predicted, test.numbers[name], bootstrap)
            renamed = (
                {"ci95_low": "r2_ci95_low", "ci95_high": "r2_ci95_high", "l2": "r2_l2"} if scores else {}
            )
            scores = {renamed.get(key, key): value for key, value in of_number.items()} | scores
            if not correct:
                answers.numbers[name] = predicted.cpu().numpy()
        if scores:
            of_few, correct_of_few = _draw_scores(fitted, rotated, test, name)
            metrics[name] = scores | of_few
            correct |= correct_of_few
        if correct:
            answers.correct[name] = correct
    return metrics, answers


def is_correct(
    predicted: Int[Tensor, " others"], target: Int[Tensor, " others"]
) -> Float[np.ndarray, " others"]:
    """float32: 1 where the class is right, 0 where it is wrong, NaN where the image has no label (-1)."""
    return torch.where(target >= 0, (predicted == target).float(), torch.nan).cpu().numpy()


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
        if fit.validation is not None:
            scores["validation_accuracy"] = round(fit.validation, DIGITS)
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


def _number_scores(fit: Fit, predicted: Tensor, target: Tensor, bootstrap: Bootstrap) -> Metrics:
    labelled = target.isfinite()
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


def _draw_scores(
    fitted: FittedView, rotated: Tensor, test: Targets, name: str
) -> tuple[Metrics, dict[str, np.ndarray]]:
    """Mean and sample standard deviation over the draws of each name; and of each image the share of
    draws that are right, by kind of accuracy."""
    means: Metrics = {}
    shares: dict[str, np.ndarray] = {}
    for drawn in dict.fromkeys(draw.name for draw in fitted.draws):
        draws = [draw for draw in fitted.draws if draw.name == drawn]
        scores: dict[str, list[float]] = {"accuracy": [], "r2": []}
        correct: list[np.ndarray] = []
        for draw in draws:
            if name in draw.classes and name in test.classes:
                guess = predict_class(draw.classes[name], rotated)
                scores["accuracy"].append(accuracy(guess, test.classes[name]))
                correct.append(is_correct(guess, test.classes[name]))
            if name in draw.numbers and name in test.numbers:
                known = test.numbers[name].isfinite()
                guess = predict_number(draw.numbers[name], rotated)
                scores["r2"].append(r2(guess[known], test.numbers[name][known]))
        for metric, values in scores.items():
            if len(values) == len(draws):  # a label that one draw cannot learn has no mean over draws
                key = f"{metric}_{drawn}"
                means[key] = round(float(np.mean(values)), DIGITS)
                if len(values) > 1:
                    means[f"{key}_sd"] = round(float(np.std(values, ddof=1)), DIGITS)
                if metric == "accuracy":
                    shares[key] = np.mean(correct, axis=0)
    return means, shares
