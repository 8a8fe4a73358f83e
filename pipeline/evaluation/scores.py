"""From features and labels to the numbers of one view: which probes a label gets, and what they score.

A view is one kind of features of the same images: the encoder's, those of its initialisation, pixels.
Legend: images of the training split, others of the test split, dim of the features.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import torch
from jaxtyping import Float
from torch import Tensor

from pipeline.data.labels import Label
from pipeline.evaluation.components import principal_components
from pipeline.evaluation.intervals import Bootstrap
from pipeline.evaluation.knn import classify
from pipeline.evaluation.linear_probe import Probe, probe_classes, probe_numbers, validation_rows
from pipeline.evaluation.metrics import accuracy, r2
from pipeline.params import ProbeParams

Metrics = dict[str, Any]
DIGITS = 6  # of every score: more would not be the same with another number of threads


@dataclass(frozen=True)
class Targets:
    """classes: categorical and count labels as class index (-1: none). numbers: count labels as the quantity,
    real labels as they are (NaN: none)."""

    classes: dict[str, Tensor]
    numbers: dict[str, Tensor]

    def only(self, names: list[str]) -> "Targets":
        return Targets(
            {name: target for name, target in self.classes.items() if name in names},
            {name: target for name, target in self.numbers.items() if name in names},
        )


def read_targets(labels: pd.DataFrame, specs: Mapping[str, Label], device: torch.device) -> Targets:
    """The columns of labels.parquet as tensors."""
    classes, numbers = {}, {}
    for name, spec in specs.items():
        column = labels[name].to_numpy()
        if spec.kind == "real":
            numbers[name] = torch.from_numpy(column.astype(np.float64)).to(device)
            continue
        classes[name] = torch.from_numpy(column.astype(np.int64)).to(device)
        if spec.kind == "count":
            quantities = np.array([float(text) for text in spec.classes] + [np.nan])  # index -1 is the NaN
            numbers[name] = torch.from_numpy(quantities[column.astype(np.int64)]).to(device)
    return Targets(classes, numbers)


def unusable(train: Targets, test: Targets) -> dict[str, str]:
    """The labels that no probe can be fitted to or scored on, each with the reason."""
    reasons = {}
    for name, target in train.classes.items():
        if len(target[target >= 0].unique()) < 2:
            reasons[name] = "fewer than two classes in the training split"
        elif not (test.classes[name] >= 0).any():
            reasons[name] = "no labelled image in the test split"
    for name, target in train.numbers.items():
        if len(target[target.isfinite()].unique()) < 2:
            reasons.setdefault(name, "fewer than two values in the training split")
        elif len(test.numbers[name][test.numbers[name].isfinite()].unique()) < 2:
            reasons.setdefault(name, "fewer than two values in the test split")
    return reasons


def probe_view(
    train_features: Float[Tensor, "images dim"],
    test_features: Float[Tensor, "others dim"],
    train: Targets,
    test: Targets,
    specs: Mapping[str, Label],
    params: ProbeParams,
    bootstrap: Bootstrap,
    with_knn: bool = True,
) -> dict[str, Metrics]:
    """Scores of every label on the test split.

    categorical: accuracy of logistic regression, ci95_low, ci95_high, knn_accuracy, l2, converged; count: the
    same, and r2, r2_ci95_low, r2_ci95_high, r2_l2 of ridge regression on the quantity; real: r2, ci95_low,
    ci95_high, l2, converged. All: n_train, n_test.

    Raises InputError naming probe.knn_neighbors where there are fewer labelled training images.
    """
    components = principal_components(train_features)
    rotated, other = components(train_features), components(test_features)
    chosen = validation_rows(len(rotated), params.validation_fraction, params.seed)
    validation = torch.from_numpy(chosen).to(rotated.device)
    num_classes = {name: len(specs[name].classes) for name in train.classes}
    probes, voted = {}, {}
    if train.classes:
        probes = probe_classes(
            rotated, other, components.variance, train.classes, num_classes, params.l2, validation
        )
        if with_knn:
            neighbors, heat = params.knn_neighbors, params.knn_temperature
            voted = classify(train_features, test_features, train.classes, num_classes, neighbors, heat)
    fits = probe_numbers(rotated, other, train.numbers, params.l2, validation)
    metrics: dict[str, Metrics] = {}
    for name in specs:
        found: Metrics = {}
        if name in probes:
            found |= _class_scores(probes[name], test.classes[name], bootstrap)
            if with_knn:
                found["knn_accuracy"] = round(accuracy(voted[name], test.classes[name]), DIGITS)
        if name in fits:
            scores = _number_scores(fits[name], test.numbers[name], bootstrap)
            prefix = {"ci95_low": "r2_ci95_low", "ci95_high": "r2_ci95_high", "l2": "r2_l2"} if found else {}
            found = {prefix.get(key, key): value for key, value in scores.items()} | found
        if found:
            metrics[name] = found
    return metrics


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
    """Means over the labels that the encoder's accuracy is known of.

    gain_over_random_init: points of mean accuracy, None where there is no such label.
    labels_clear_of_random_init: labels whose interval lies above that of the encoder at initialisation.
    """
    counted = [views for views in labels.values() if "accuracy" in views.get("encoder", {})]
    names = [
        name
        for name in ("encoder", "latent", "groups", "random_init", "pixels_pca")
        if all(name in views for views in counted)
    ]
    summary: Metrics = {
        f"mean_{metric}": {
            name: round(float(np.mean([views[name][metric] for views in counted])), DIGITS)
            for name in names
            if counted
        }
        for metric in ("accuracy", "knn_accuracy")
    }
    means = summary["mean_accuracy"]
    gain = round(100 * (means["encoder"] - means["random_init"]), 4) if counted else None
    clear = [views["encoder"]["ci95_low"] > views["random_init"]["ci95_high"] for views in counted]
    return summary | {
        "gain_over_random_init": gain,
        "labels": len(counted),
        "labels_clear_of_random_init": sum(clear),
    }


def _class_scores(probe: Probe, target: Tensor, bootstrap: Bootstrap) -> Metrics:
    labelled = target >= 0
    low, high = bootstrap.accuracy((probe.predicted == target).cpu().numpy(), labelled.cpu().numpy())
    return {
        "accuracy": round(accuracy(probe.predicted, target), DIGITS),
        "ci95_low": round(low, DIGITS),
        "ci95_high": round(high, DIGITS),
        "l2": probe.l2,
        "converged": probe.converged,
        "n_train": probe.num_train,
        "n_test": int(labelled.sum()),
    }


def _number_scores(probe: Probe, target: Tensor, bootstrap: Bootstrap) -> Metrics:
    labelled = target.isfinite()
    low, high = bootstrap.r2(probe.predicted.cpu().numpy(), target.cpu().numpy())
    return {
        "r2": round(r2(probe.predicted[labelled], target[labelled]), DIGITS),
        "ci95_low": round(low, DIGITS),
        "ci95_high": round(high, DIGITS),
        "l2": probe.l2,
        "converged": probe.converged,
        "n_train": probe.num_train,
        "n_test": int(labelled.sum()),
    }
