"""Fits all probes of one view on the training split. No test image is seen here.

A view is one kind of features of the same images: the encoder's, those of its initialisation, pixels.
Legend: images of the training split, dim of the features.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from jaxtyping import Bool, Float
from torch import Tensor

from pipeline.data.labels import Label
from pipeline.measure.components import Components, principal_components
from pipeline.measure.knn import choose_neighbors
from pipeline.params import ProbeParams
from pipeline.probe.label_noise import fit_noisy
from pipeline.probe.linear_probe import Fit, fit_classes, fit_numbers
from pipeline.probe.low_shot import Draw, fit_few
from pipeline.probe.sgd_probe import SgdFit, fit_sgd
from pipeline.probe.targets import Targets


@dataclass(frozen=True)
class FittedView:
    """Fitted probes of one view: the components they read, their weights and every choice, but no score.

    neighbors: of the k-NN, by label. draws: the fits to few labels and to wrong labels. sgd: the papers'
    probe.
    """

    components: Components
    classes: dict[str, Fit]
    numbers: dict[str, Fit]
    neighbors: dict[str, int]
    draws: list[Draw]
    sgd: dict[str, SgdFit]


def fit_view(
    features: Float[Tensor, "images dim"],
    targets: Targets,
    specs: Mapping[str, Label],
    params: ProbeParams,
    validation: Bool[Tensor, " images"],
    only_linear: bool = False,
    with_few: bool = True,
    with_sgd: bool = False,
    with_noise: bool = False,
) -> FittedView:
    """Fit every label: logistic and ridge regression, k of the k-NN, with few the few-label draws, with SGD
    the papers' probe, with noise the fits to wrong labels. Every choice is made on the `validation` part of
    these images.

    Raises InputError naming probe.knn_neighbors where there are fewer labelled training images.
    """
    components = principal_components(features)
    rotated = components(features)
    num_classes = {name: len(specs[name].classes) for name in targets.classes}
    classes = fit_classes(rotated, components.variance, targets.classes, num_classes, params.l2, validation)
    numbers = fit_numbers(rotated, targets.numbers, params.l2, validation)
    nearest: dict[str, int] = {}
    draws, sgd = [], {}
    if not only_linear:
        grid, temperature = params.knn_neighbors, params.knn_temperature
        nearest = choose_neighbors(features, targets.classes, num_classes, grid, temperature, validation)
    if with_few and not only_linear:
        draws = fit_few(rotated, components.variance, targets, num_classes, params)
    if with_sgd and params.sgd.epochs and targets.classes:
        standard = components.standardise(features)
        sgd = fit_sgd(standard, targets.classes, num_classes, params.sgd, validation, params.seed)
    if with_noise:
        draws += fit_noisy(rotated, components.variance, targets, num_classes, params)
    return FittedView(components, classes, numbers, nearest, draws, sgd)
