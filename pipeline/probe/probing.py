"""All probes of one set: fitted on its training split, then scored on its test split.

`fit_set` gets no test image and `score_set` changes no probe, so no choice can depend on a reported score.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor

from pipeline.data.augment import allowed
from pipeline.data.labels import Label
from pipeline.jepa.pretrained import load_encoder
from pipeline.measure.collapse import spread
from pipeline.measure.embeddings import INITIAL, TRAINED, encoder_normalise
from pipeline.measure.intervals import Bootstrap
from pipeline.params import AugmentParams, ProbeParams
from pipeline.probe.fine_tune import FineTuned, Recipe, classify_images, fine_tune
from pipeline.probe.fitting import FittedView, fit_view
from pipeline.probe.held_out import Examples, Patches, ProbedSet
from pipeline.probe.linear_probe import validation_rows
from pipeline.probe.scores import DIGITS, Metrics, class_scores, majority, score_view
from pipeline.probe.targets import Targets, unscorable, unusable
from pipeline.runtime import Runtime
from pipeline.views import FINE_TUNED, FINE_TUNED_RANDOM_INIT, FOREGROUND_AREA, MAJORITY

AREA_LABEL = "foreground"  # the label whose number alone predicts counts where objects are alike
FINE_TUNE_STARTS = {FINE_TUNED: TRAINED, FINE_TUNED_RANDOM_INIT: INITIAL}  # view: weights it starts from


@dataclass
class FittedSet:
    """Finished probes by view: of images, of the covered area alone, of patches, of the whole network.

    seconds: spent on each view so far.
    """

    views: dict[str, FittedView] = field(default_factory=dict)
    area: FittedView | None = None
    patches: dict[str, FittedView] = field(default_factory=dict)
    tuned: dict[str, tuple[Recipe, FineTuned]] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def timed(self, view: str) -> Iterator[None]:
        """Add the seconds of the body to those of `view`."""
        start = time.perf_counter()
        yield
        self.seconds[view] = round(self.seconds.get(view, 0.0) + time.perf_counter() - start, 3)


def fit_set(probed: ProbedSet, train: Examples, views: tuple[str, ...], params: ProbeParams) -> FittedSet:
    """Fit the probes of every view. Labels that cannot be fitted are named in a printed line."""
    fitted = FittedSet()
    labels, targets = _usable(probed.image_set.name, probed.labels, train.targets)
    validation = _validation(len(train), params, probed.device)
    for view in views:
        with fitted.timed(view):
            fitted.views[view] = fit_view(train.features(view), targets, labels, params, validation)
    counts = [name for name, spec in labels.items() if spec.kind == "count"]
    if counts and AREA_LABEL in train.targets.numbers and AREA_LABEL not in unusable(train.targets):
        # Where objects are alike their number follows from the area they cover, so that alone is a baseline.
        with fitted.timed(FOREGROUND_AREA):
            of_counts = targets.only(counts)
            fitted.area = fit_view(area_of(train), of_counts, labels, params, validation, only_linear=True)
    if train.patches:
        patches = train.patches
        labels, targets = _usable(probed.image_set.name, probed.patch_labels, patches.targets)
        images = _validation(patches.num_images, params, probed.device)
        rows = torch.repeat_interleave(images, patches.per_image)  # patches of one image stay on one side
        for view in patches.views:
            with fitted.timed(view):
                fitted.patches[view] = fit_view(
                    patches.features(view), targets, labels, params, rows, with_extras=False
                )
    return fitted


def tune_set(
    probed: ProbedSet,
    train: Examples,
    fitted: FittedSet,
    encoder: Path,
    params: ProbeParams,
    augment: AugmentParams,
    runtime: Runtime,
) -> None:
    """Add the end-to-end probes to `fitted`, from the encoder's weights in the folder `encoder`."""
    labels, targets = _usable(probed.image_set.name, probed.labels, train.targets)
    if not targets.classes:
        return
    num_classes = {name: len(labels[name].classes) for name in targets.classes}
    to_input = encoder_normalise(encoder)
    harmless, _ = allowed(augment, {name: labels[name] for name in targets.classes})
    validation = _validation(len(train), params, probed.device)
    for view, weights in FINE_TUNE_STARTS.items():
        make = partial(load_encoder, encoder, weights, runtime.device)
        recipe = Recipe(make, to_input, harmless, params.seed, runtime)
        with fitted.timed(view):
            tuned = fine_tune(
                recipe, params.fine_tune, train.images, targets.classes, num_classes, validation
            )
        fitted.tuned[view] = recipe, tuned


def score_set(
    probed: ProbedSet, fitted: FittedSet, train: Examples, test: Examples, params: ProbeParams
) -> tuple[dict[str, dict[str, Metrics]], dict[str, float]]:
    """Scores by label and view, and RankMe of each view on the test split. Labels that cannot be scored are
    named in a printed line; those with classes keep their `majority`.

    train: for k-NN to search in, and for the most frequent class.
    """
    reasons = unscorable(test.targets.only(probed.labels))
    for name, reason in reasons.items():
        print(f"{probed.image_set.name}: {name} is not probed: {reason}")
    targets = test.targets.only(set(probed.labels) - {*reasons, *unusable(train.targets)})
    specs = {**probed.labels, **probed.patch_labels}
    metrics: dict[str, dict[str, Metrics]] = {name: {} for name in specs}
    ranks = {}

    def score(
        view: str,
        probes: FittedView,
        searched: Examples | Patches,
        test_targets: Targets,
        features: Float[Tensor, "others dim"],
        bootstrap: Bootstrap,
    ) -> None:
        neighbors = searched.features(view) if probes.neighbors else None
        scores = score_view(
            probes,
            neighbors,
            features,
            searched.targets,
            test_targets,
            specs,
            params.knn_temperature,
            bootstrap,
        )
        for name, of_label in scores.items():
            metrics[name][view] = of_label

    bootstrap = Bootstrap(len(test), params.bootstrap, params.seed)
    for view, probes in fitted.views.items():
        features = test.features(view)
        with fitted.timed(view):
            score(view, probes, train, targets, features, bootstrap)
        ranks[view] = round(spread(features).rankme, DIGITS)
    if fitted.area is not None:
        of_counts = targets.only(fitted.area.classes)
        score(FOREGROUND_AREA, fitted.area, train, of_counts, area_of(test), bootstrap)
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
        for view, probes in fitted.patches.items():
            with fitted.timed(view):
                features = test.patches.features(view)
                score(view, probes, train.patches, patch_targets, features, over_images)
        with_majority.append((train.patches.targets, patch_targets))
    for train_targets, test_targets in with_majority:
        for name, target in test_targets.classes.items():
            metrics[name][MAJORITY] = majority(train_targets.classes[name], target)
    return {name: views for name, views in metrics.items() if views}, ranks


def area_of(examples: Examples) -> Float[Tensor, "images 1"]:
    """The covered area as the only feature."""
    return examples.targets.numbers[AREA_LABEL][:, None].float()


def _usable(name: str, labels: dict[str, Label], targets: Targets) -> tuple[dict[str, Label], Targets]:
    """The labels that can be fitted, and their targets."""
    reasons = unusable(targets.only(labels))
    for label, reason in reasons.items():
        print(f"{name}: {label} is not probed: {reason}")
    usable = {label: spec for label, spec in labels.items() if label not in reasons}
    return usable, targets.only(usable)


def _validation(num_images: int, params: ProbeParams, device: torch.device) -> Tensor:
    chosen = validation_rows(num_images, params.validation_fraction, params.seed)
    return torch.from_numpy(chosen).to(device)
