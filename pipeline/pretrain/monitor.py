"""Cheap scores of the features during pretraining, on a few held-out images.

They give a curve to watch and to compare between runs, not a result. Half of the images fit the probes, the
other half scores them.
"""

from collections.abc import Callable

import numpy as np
import pandas as pd
import torch
from jaxtyping import Float, UInt8
from torch import Tensor
from torch.nn import functional as F

from pipeline.contracts.pretrain import OF_LABEL
from pipeline.data.labels import Label
from pipeline.measure.collapse import is_collapsed, spread
from pipeline.measure.components import principal_components
from pipeline.measure.knn import classify
from pipeline.measure.lidar import lidar
from pipeline.measure.metrics import accuracy
from pipeline.measure.ridge import apply_ridge, ridge

# Not params: the same for all runs, so that their curves compare.
NEIGHBORS = 10
TEMPERATURE = 0.07
STRENGTH = 1e-2
LIDAR_IMAGES = 500
LIDAR_VIEWS = 4

Encode = Callable[[UInt8[Tensor, "images size size 3"]], Float[Tensor, "images dim"]]
EncodeViews = Callable[[UInt8[Tensor, "images size size 3"], int], Float[Tensor, "images views dim"]]


class Monitor:
    """Scores an encoder on fixed images; call it with `encode`, as often as wanted.

    Even rows fit, odd rows score. Labels that are not categorical or count, or that have fewer than two
    classes or ten labelled images in either half, are left out: which keys a monitor returns depends on the
    labels alone. Nothing is drawn at random. encode_views: of several views of each image, for LiDAR; None:
    no LiDAR.
    """

    def __init__(
        self,
        images: UInt8[Tensor, "images size size 3"],
        labels: pd.DataFrame,
        specs: dict[str, Label],
        encode_views: EncodeViews | None = None,
    ) -> None:
        assert len(images) == len(labels)
        self.images, self.encode_views = images, encode_views
        self.targets: dict[str, Tensor] = {}
        self.num_classes: dict[str, int] = {}
        for name, spec in specs.items():
            if spec.kind == "real":
                continue
            target = torch.from_numpy(labels[name].to_numpy(np.int64, copy=True)).to(images.device)
            halves = (target[0::2], target[1::2])
            if all((half >= 0).sum() >= NEIGHBORS for half in halves) and len(halves[0].unique()) >= 2:
                self.targets[name] = target
                self.num_classes[name] = len(spec.classes)

    def __call__(self, encode: Encode) -> dict[str, float]:
        """rankme, feature_std, mean_cosine (pipeline.measure.collapse.Spread), collapsed (0 or 1).

        lidar of the first images, where the monitor can encode views. Where there is a label to classify,
        knn_accuracy and ridge_accuracy (ridge regression on the one-hot class, argmax), each the mean over
        labels, in [0, 1]. Where there are several labels, ridge_accuracy_<label> of each.
        """
        with torch.no_grad():
            features = encode(self.images).float().to(self.images.device)  # a GPU's come to the labels
        collapse = spread(features)
        scores = {
            "rankme": collapse.rankme,
            "feature_std": collapse.feature_std,
            "mean_cosine": collapse.mean_cosine,
            "collapsed": float(is_collapsed(collapse)),
        }
        if self.encode_views is not None:
            with torch.no_grad():
                scores["lidar"] = lidar(self.encode_views(self.images[:LIDAR_IMAGES], LIDAR_VIEWS).float())
        if not self.targets:
            return scores
        fit, score = features[0::2], features[1::2]
        targets = {name: target[0::2] for name, target in self.targets.items()}
        by_neighbors = classify(fit, score, targets, self.num_classes, NEIGHBORS, TEMPERATURE)
        by_ridge = self._ridge(fit, score, targets)
        for key, predicted in (("knn_accuracy", by_neighbors), ("ridge_accuracy", by_ridge)):
            accuracies = [accuracy(predicted[name], self.targets[name][1::2]) for name in self.targets]
            scores[key] = sum(accuracies) / len(accuracies)
            if predicted is by_ridge and len(accuracies) > 1:
                scores |= dict(zip((OF_LABEL + name for name in self.targets), accuracies, strict=True))
        return scores

    def _ridge(self, fit: Tensor, score: Tensor, targets: dict[str, Tensor]) -> dict[str, Tensor]:
        components = principal_components(fit)
        rotated, other = components(fit), components(score)
        predicted = {}
        for name, target in targets.items():
            known = target >= 0
            one_hot = F.one_hot(target[known], self.num_classes[name]).double()
            predicted[name] = apply_ridge(ridge(rotated[known], one_hot, (STRENGTH,)), other)[0].argmax(1)
        return predicted


def no_monitor(_encode: Encode) -> dict[str, float]:
    """The monitor of the processes that write nothing."""
    return {}
