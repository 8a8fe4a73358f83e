"""Accuracy at equal numbers of active units: what does a code tell if an image keeps only k of its numbers?

Each code is cut to its k strongest units per image; all others are 0. Two probes read what is left: a linear
one, and the nearest neighbour by cosine. A code whose units stand for something loses less than a dense one.
Source: CSR (Wen et al. 2025, arXiv 2503.01776, section 4). PCA keeps its first k components instead, the best
that a fixed choice can keep.

Legend: images of the training split, others of the test split, dim features, groups x size (see partitions).
"""

from collections.abc import Callable, Mapping

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch.nn.functional import normalize

from pipeline.interpret.code import Code
from pipeline.interpret.factors import Factor, LabelClasses, label_classes
from pipeline.interpret.partitions import group_energies, standardise
from pipeline.measure.same_images import with_the_same_images
from pipeline.params import InterpretParams
from pipeline.views import ENCODER, LATENT, RANDOM_INIT, SAE, TWIN

ACTIVE_UNITS = (2, 4, 8, 16, 32)
GROUPS, RECTIFIED = "groups", "rectified"

Features = Float[np.ndarray, "images dim"]
Others = Float[np.ndarray, "others dim"]
Keep = Callable[[Features, int], Features]


def active_unit_curves(
    codes: Mapping[str, Code], factors: list[Factor], params: InterpretParams
) -> list[dict[str, float | int | str]]:
    """A row for each code and number of active units: `code`, `units`, and the accuracies of both probes,
    `accuracy` and `nearest`: on test images, in [0, 1], mean over labels. No rows where there is no factor.

    encoder, twin, random_init, latent, sae: the k strongest units. rectified: those of relu of the rotated
    features. pca: the first k components. groups: the strongest groups of the encoder's features whole, as
    many as make k features.
    """
    if not factors:
        return []
    labels = label_classes(factors)
    rows: list[dict[str, float | int | str]] = []
    for name, (train, test, keep) in _forms(codes).items():
        for units in ACTIVE_UNITS:
            smallest = codes[ENCODER].partition.shape[1] if name == GROUPS else 1
            if not smallest <= units <= train.shape[1]:
                continue
            kept, other = keep(train, units), keep(test, units)
            rows.append(
                {
                    "code": name,
                    "units": units,
                    "accuracy": linear_accuracy(kept, other, labels, params.l2),
                    "nearest": nearest_accuracy(kept, other[: params.knn_images], labels),
                }
            )
    return rows


def _forms(codes: Mapping[str, Code]) -> dict[str, tuple[np.ndarray, np.ndarray, Keep]]:
    """The features of both splits and what keeps k units of them."""
    forms: dict[str, tuple[np.ndarray, np.ndarray, Keep]] = {}
    for name in (ENCODER, TWIN, RANDOM_INIT):
        if name in codes:
            forms[name] = (*_standard(codes[name]), strongest_units)
    partition = codes[ENCODER].partition
    forms[GROUPS] = (*_standard(codes[ENCODER]), lambda x, units: strongest_groups(x, partition, units))
    rotated, other = codes["rotated"].train, codes["rotated"].test
    forms[RECTIFIED] = (np.maximum(rotated, 0), np.maximum(other, 0), strongest_units)
    forms["pca"] = (codes["pca"].train, codes["pca"].test, lambda x, units: x[:, :units])
    for name in (LATENT, SAE):
        if name in codes:
            forms[name] = (codes[name].train, codes[name].test, strongest_units)
    return forms


def _standard(code: Code) -> tuple[Features, Others]:
    return standardise(code.train, code.train), standardise(code.test, code.train)


def strongest_units(features: Features, units: int) -> Features:
    """The `units` numbers of largest magnitude of every image, the others set to 0."""
    order = np.argpartition(-np.abs(features), units - 1, axis=1)[:, :units]
    kept = np.zeros_like(features)
    np.put_along_axis(kept, order, np.take_along_axis(features, order, 1), 1)
    return kept


def strongest_groups(features: Features, partition: Int[np.ndarray, "groups size"], units: int) -> Features:
    """The groups of highest energy of every image whole, as many as have `units` features at most."""
    groups = units // partition.shape[1]
    energies = group_energies(features, partition)
    owner = np.empty(features.shape[1], dtype=np.int64)
    rows = np.broadcast_to(np.arange(len(partition))[:, None], partition.shape)
    owner[partition[partition >= 0]] = rows[partition >= 0]
    return np.where((strongest_units(energies, groups) > 0)[:, owner], features, 0.0)


def linear_accuracy(train: Features, test: Others, labels: list[LabelClasses], l2: float) -> float:
    """Of a ridge classifier on features of one scale; mean over labels."""
    scale = np.sqrt(np.square(train).mean() + 1e-30)
    x, other = (np.pad(part / scale, ((0, 0), (0, 1)), constant_values=1.0) for part in (train, test))
    accuracies = []
    for known, alike in _by_known_images(labels):
        labelled = x[known]
        gram = labelled.T @ labelled / known.sum() + l2 * np.eye(x.shape[1])
        for classes, other_classes in alike:
            names, place = np.unique(classes[known], return_inverse=True)
            weights = np.linalg.solve(gram, labelled.T @ np.eye(len(names))[place] / known.sum())
            other_known = other_classes >= 0
            told = names[(other[other_known] @ weights).argmax(1)]
            accuracies.append(float((told == other_classes[other_known]).mean()))
    return float(np.mean(accuracies))


def nearest_accuracy(
    train: Features, test: Float[np.ndarray, "first dim"], labels: list[LabelClasses]
) -> float:
    """Share of the test images whose nearest training image with the label is of their class, by cosine.

    Mean over labels. test: of the first images of the labels.
    """
    x, other = (normalize(torch.from_numpy(part).float(), dim=1) for part in (train, test))
    cosines = other @ x.T
    accuracies = []
    for known, alike in _by_known_images(labels):
        searched = cosines if known.all() else cosines.masked_fill(torch.from_numpy(~known), -2.0)
        nearest = searched.numpy().argmax(1)  # four times as fast as torch's
        for classes, other_classes in alike:
            truth = other_classes[: len(test)]
            right = (classes[nearest] == truth)[truth >= 0]
            if len(right):
                accuracies.append(float(right.mean()))
    return float(np.mean(accuracies)) if accuracies else 0.0


def _by_known_images(
    labels: list[LabelClasses],
) -> list[tuple[Bool[np.ndarray, " images"], list[LabelClasses]]]:
    """The labels that the same training images have, and which images these are: they share the work."""
    known = {place: classes >= 0 for place, (classes, _) in enumerate(labels)}
    groups = with_the_same_images(known)
    return [(known[places[0]], [labels[place] for place in places]) for places in groups]
