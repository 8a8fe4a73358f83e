"""The papers' linear probe: it approaches the exact one, and its choices are made on the validation part."""

import numpy as np
import pytest
import torch
from conftest import default_tree, override

from pipeline.measure.components import principal_components
from pipeline.measure.metrics import accuracy
from pipeline.params import Params, SgdParams
from pipeline.probe.linear_probe import validation_rows
from pipeline.probe.logistic import Problem, logits, solve
from pipeline.probe.sgd_probe import cosine, fit_sgd, predict


def params(**changes: object) -> SgdParams:
    small = {"epochs": 40, "batch_size": 128, "learning_rates": [0.01, 0.3]} | changes
    tree = override(default_tree(), {f"probe.sgd.{key}": value for key, value in small.items()})
    return Params.model_validate(tree).probe.sgd


def data(num_images: int = 1500) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    features = torch.randn(num_images, 10, generator=generator)
    scores = features @ torch.randn(10, 4, generator=generator)
    noise = torch.randn(num_images, 4, generator=generator)
    return features, (scores + noise).argmax(1)


def validation(num_images: int) -> torch.Tensor:
    return torch.from_numpy(validation_rows(num_images, 0.2, 0))


@pytest.mark.parametrize("optimizer", ["sgd", "adamw"])
def test_it_approaches_the_exact_solution(optimizer):
    features, target = data()
    components = principal_components(features)
    standard = components.standardise(features)
    rates = [0.3] if optimizer == "sgd" else [0.1]
    own = params(optimizer=optimizer, learning_rates=rates)
    fitted = fit_sgd(standard, {"a": target}, {"a": 4}, own, validation(1500), 0)["a"]
    exact = solve(components(features), components.variance, [Problem(target, 4, 1e-6)])[0]
    probabilities = logits(exact.weights, components(features)).softmax(1)
    ours = logits(fitted.weights, standard).softmax(1)
    assert (ours - probabilities).abs().mean() < 0.02


def test_labels_and_rates_trained_together_are_those_trained_alone():
    features, target = data(400)
    other = (target > 1).long()
    other[::3] = -1
    both = fit_sgd(
        features, {"a": target, "b": other}, {"a": 4, "b": 2}, params(epochs=3), validation(400), 0
    )
    for name, own, size in (("a", target, 4), ("b", other, 2)):
        alone = fit_sgd(features, {name: own}, {name: size}, params(epochs=3), validation(400), 0)[name]
        assert alone.learning_rate == both[name].learning_rate
        torch.testing.assert_close(alone.weights, both[name].weights, atol=1e-5, rtol=1e-4)


def test_the_rate_is_the_better_one_on_the_validation_part():
    features, target = data()
    fitted = fit_sgd(
        features, {"a": target}, {"a": 4}, params(epochs=1, learning_rates=[1e-6, 0.1]), validation(1500), 0
    )
    assert fitted["a"].learning_rate == 0.1
    assert accuracy(predict(fitted["a"].weights, features), target) > 0.6


def test_images_without_the_label_teach_nothing():
    features, target = data(400)
    wild = features.clone()
    target[::2] = -1
    wild[::2] = 1e3 * wild[::2].flip(0)
    own = params(epochs=2, learning_rates=[0.1])
    fits = [fit_sgd(some, {"a": target}, {"a": 4}, own, validation(400), 0)["a"] for some in (features, wild)]
    assert torch.equal(fits[0].weights, fits[1].weights)


def test_the_schedule_rises_linearly_and_ends_near_zero():
    shares = np.array([cosine(step, 100, 0.1) for step in range(100)])
    np.testing.assert_allclose(shares[:10], np.arange(1, 11) / 10)
    assert shares[10] == 1.0 and (np.diff(shares[10:]) < 0).all() and 0 < shares[-1] < 1e-3
