"""All probes of one set, fitted on its training split. pipeline/probe/scoring.py scores them.

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
from pipeline.measure.embedding_store import twin_folder
from pipeline.measure.embeddings import INITIAL, TRAINED, encoder_normalise
from pipeline.params import AugmentParams, ProbeParams
from pipeline.probe import label_noise, sgd_probe
from pipeline.probe.fine_tune import FineTuned, Recipe, fine_tune
from pipeline.probe.fitting import FittedView, fit_view
from pipeline.probe.held_out import Examples, ProbedSet
from pipeline.probe.linear_probe import validation_rows
from pipeline.probe.targets import Targets, unusable
from pipeline.runtime import Runtime
from pipeline.threads import side_by_side
from pipeline.views import (
    FINE_TUNED,
    FINE_TUNED_RANDOM_INIT,
    FINE_TUNED_TWIN,
    FOREGROUND_AREA,
    POST_HOC,
)

MEMORY = 2**32  # bytes that the probes of several views may take together
NUMBERS = 6  # floats per image and class that a probe takes (pipeline.probe.logistic)
AREA_LABEL = "foreground"  # the label whose number alone predicts counts where objects are alike


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

    def fit(view: str) -> FittedView:
        with fitted.timed(view):
            return fit_view(
                train.features(view),
                targets,
                labels,
                params,
                validation,
                only_linear=view in POST_HOC,
                with_sgd=view not in (*POST_HOC, *sgd_probe.NOT_OF_ENCODERS),
                with_noise=view in label_noise.VIEWS,
            )

    probes = side_by_side(fit, views, at_once(probed, len(train)))
    fitted.views = dict(zip(views, probes, strict=True))
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

        def fit_patches(view: str) -> FittedView:
            with fitted.timed(view):
                return fit_view(patches.features(view), targets, labels, params, rows, with_few=False)

        probes = side_by_side(fit_patches, patches.views, at_once(probed, len(rows)))
        fitted.patches = dict(zip(patches.views, probes, strict=True))
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
    """Add the end-to-end probes to `fitted`: from the trained and the initial weights in the folder
    `encoder`, and from the trained weights of its dense twin where it has one."""
    labels, targets = _usable(probed.image_set.name, probed.labels, train.targets)
    if not targets.classes:
        return
    num_classes = {name: len(labels[name].classes) for name in targets.classes}
    harmless, _ = allowed(augment, {name: labels[name] for name in targets.classes})
    validation = _validation(len(train), params, probed.device)
    starts = {FINE_TUNED: (encoder, TRAINED), FINE_TUNED_RANDOM_INIT: (encoder, INITIAL)}
    twin = twin_folder(encoder)
    if twin is not None:
        starts[FINE_TUNED_TWIN] = (twin, TRAINED)
    for view, (folder, weights) in starts.items():
        make = partial(load_encoder, folder, weights, runtime.device)
        recipe = Recipe(make, encoder_normalise(folder), harmless, params.seed, runtime)
        with fitted.timed(view):
            tuned = fine_tune(
                recipe, params.fine_tune, train.images, targets.classes, num_classes, validation
            )
        fitted.tuned[view] = recipe, tuned


def at_once(probed: ProbedSet, rows: int) -> int:
    """How many views of a set are probed at a time: on a CPU as many as MEMORY holds, on a GPU one."""
    if probed.device.type != "cpu":
        return 1
    columns = sum(len(spec.classes) for spec in (*probed.labels.values(), *probed.patch_labels.values()))
    return max(1, MEMORY // (NUMBERS * 4 * rows * max(columns, 1)))


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
