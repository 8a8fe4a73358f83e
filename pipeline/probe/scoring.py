"""Scores all finished probes of one set on its test split, and compares the encoder with its dense twin.

Nothing is fitted or chosen here.
"""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from jaxtyping import Int
from torch import Tensor

from pipeline.measure.collapse import spread
from pipeline.measure.intervals import Bootstrap
from pipeline.measure.metrics import Metrics
from pipeline.params import ProbeParams
from pipeline.probe.fine_tune import classify_images
from pipeline.probe.fitting import FittedView
from pipeline.probe.held_out import Examples, Patches, ProbedSet
from pipeline.probe.probing import FittedSet, area_of, at_once
from pipeline.probe.scores import DIGITS, Answers, class_scores, majority, score_view
from pipeline.probe.targets import Targets, unscorable, unusable
from pipeline.probe.twin_difference import label_differences, mean_differences
from pipeline.threads import side_by_side
from pipeline.views import BASELINES, ENCODER, FOREGROUND_AREA, MAJORITY, TWIN


class ScoredSet(NamedTuple):
    """labels: scores by label and view. rankme: of each view on the test images. less_twin: by kind of
    accuracy, the mean over labels of images of the encoder less its twin; empty without a twin.
    less_baselines: by baseline, the same less its view. confusion: by label and view, of the encoder and of
    its twin, how many test images of each class (row) are taken for which (column)."""

    labels: dict[str, dict[str, Metrics]]
    rankme: dict[str, float]
    less_twin: dict[str, Metrics]
    less_baselines: dict[str, dict[str, Metrics]]
    confusion: dict[str, dict[str, Int[np.ndarray, "classes classes"]]]


def score_set(
    probed: ProbedSet, fitted: FittedSet, train: Examples, test: Examples, params: ProbeParams
) -> ScoredSet:
    """Every probe's scores. Labels that cannot be scored are named in a printed line; those with classes keep
    their `majority`.

    train: for k-NN to search in, and for the most frequent class.
    """
    reasons = unscorable(test.targets.only(probed.labels))
    for name, reason in reasons.items():
        print(f"{probed.image_set.name}: {name} is not probed: {reason}")
    targets = test.targets.only(set(probed.labels) - {*reasons, *unusable(train.targets)})
    specs = {**probed.labels, **probed.patch_labels}
    metrics: dict[str, dict[str, Metrics]] = {name: {} for name in specs}

    def score(
        probes: Mapping[str, FittedView],
        searched: Examples | Patches,
        others: Examples | Patches,
        test_targets: Targets,
        bootstrap: Bootstrap,
    ) -> dict[str, Answers]:
        """Put the scores of every view into `metrics`; what the views answer."""

        def of_view(view: str) -> tuple[dict[str, Metrics], Answers]:
            with fitted.timed(view):
                return score_view(
                    probes[view],
                    searched.features(view) if probes[view].neighbors else None,
                    others.features(view),
                    searched.targets,
                    test_targets,
                    specs,
                    params.knn_temperature,
                    bootstrap,
                    test.under_corruptions(view) if searched is train else {},
                )

        scored = side_by_side(of_view, probes, at_once(probed, len(train)))
        for view, (scores, _) in zip(probes, scored, strict=True):
            for name, of_label in scores.items():
                metrics[name][view] = of_label
        return {view: answers for view, (_, answers) in zip(probes, scored, strict=True)}

    def compare(answers: dict[str, Answers], test_targets: Targets, bootstrap: Bootstrap) -> None:
        if TWIN in answers:
            pair = answers[ENCODER], answers[TWIN]
            for name, difference in label_differences(*pair, test_targets.numbers, bootstrap).items():
                metrics[name][ENCODER] |= difference

    bootstrap = Bootstrap(len(test), params.bootstrap, params.seed)
    of_views = score(fitted.views, train, test, targets, bootstrap)
    answers = {view: of_views[view] for view in of_views if view in (ENCODER, TWIN, *BASELINES)}
    rankme = {view: round(spread(test.features(view)).rankme, DIGITS) for view in of_views}
    compare(answers, targets, bootstrap)
    less = {
        view: mean_differences(answers[ENCODER], of_view, bootstrap)
        for view, of_view in answers.items()
        if view != ENCODER
    }
    confusion = {
        name: {
            view: confusion_matrix(answers[view].classes[name], target, len(specs[name].classes))
            for view in (ENCODER, TWIN)
            if view in answers
        }
        for name, target in targets.classes.items()
    }
    if fitted.area is not None:
        of_counts = targets.only(fitted.area.classes)
        temperature = params.knn_temperature
        area, _ = score_view(
            fitted.area, None, area_of(test), train.targets, of_counts, specs, temperature, bootstrap
        )
        for name, scores in area.items():
            metrics[name][FOREGROUND_AREA] = scores
    for view, (recipe, tuned) in fitted.tuned.items():
        with fitted.timed(view):
            guesses = classify_images(tuned, recipe, params.fine_tune, test.images)
        for name, target in targets.classes.items():
            scores = class_scores(None, guesses[name], target, bootstrap)
            labelled = int((train.targets.classes[name] >= 0).sum())
            metrics[name][view] = scores | {"learning_rate": tuned.learning_rate, "n_train": labelled}
    with_majority = [(train.targets, test.targets.only(probed.labels))]
    if test.patches and train.patches:
        over_images = Bootstrap(test.patches.num_images, params.bootstrap, params.seed)
        excluded = {*unusable(train.patches.targets), *unscorable(test.patches.targets)}
        patch_targets = test.patches.targets.only(set(probed.patch_labels) - excluded)
        of_patches = score(fitted.patches, train.patches, test.patches, patch_targets, over_images)
        compare(of_patches, patch_targets, over_images)
        with_majority.append((train.patches.targets, patch_targets))
    for train_targets, test_targets in with_majority:
        for name, target in test_targets.classes.items():
            metrics[name][MAJORITY] = majority(train_targets.classes[name], target)
    scored = {name: views for name, views in metrics.items() if views}
    return ScoredSet(scored, rankme, less.pop(TWIN, {}), less, confusion)


def confusion_matrix(
    predicted: Int[np.ndarray, " others"], target: Int[Tensor, " others"], num_classes: int
) -> Int[np.ndarray, "classes classes"]:
    """[i, j]: how many images of class i are taken for class j, without those that have no label (-1)."""
    true = target.cpu().numpy()
    labelled = true >= 0
    pairs = num_classes * true[labelled] + predicted[labelled]
    return np.bincount(pairs, minlength=num_classes**2).reshape(num_classes, num_classes)
