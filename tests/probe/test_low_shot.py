"""Probes from few labels see the drawn images' labels only."""

import numpy as np
import torch
from conftest import default_tree, override

from pipeline.measure.components import principal_components
from pipeline.params import Params, ProbeParams
from pipeline.probe.low_shot import drawn_rows, fit_few, suffix
from pipeline.probe.targets import Targets


def probe_params(**changes: object) -> ProbeParams:
    few = {f"probe.{key}": value for key, value in changes.items()}
    return Params.model_validate(override(default_tree(), {"probe.l2": [1e-3, 1e-1], **few})).probe


def data(num_images: int = 600) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    features = torch.randn(num_images, 12, generator=generator)
    return features, features[:, :3].argmax(1)


def test_draws_differ_and_a_larger_share_holds_the_smaller_one():
    small, large = drawn_rows(1000, 0.01, 0, 0), drawn_rows(1000, 0.1, 0, 0)
    assert (len(small), len(large)) == (10, 100)
    assert set(small) <= set(large)
    assert not np.array_equal(small, drawn_rows(1000, 0.01, 1, 0))
    assert np.array_equal(small, drawn_rows(1000, 0.01, 0, 0))


def test_labels_outside_the_draw_do_not_matter():
    features, target = data()
    params = probe_params(**{"low_shot.fractions": [0.2], "low_shot.draws": 1})
    components = principal_components(features)
    rotated = components(features)
    scrambled = target.flip(0).clone()
    rows = drawn_rows(len(features), 0.2, 0, params.seed)
    scrambled[rows] = target[rows]
    fits = [
        fit_few(
            rotated, components.variance, Targets({"a": labels}, {"b": labels.double()}), {"a": 3}, params
        )[0]
        for labels in (target, scrambled)
    ]
    assert not torch.equal(scrambled, target)
    assert torch.equal(fits[0].classes["a"].weights, fits[1].classes["a"].weights)
    assert torch.equal(fits[0].numbers["b"].weights, fits[1].numbers["b"].weights)
    assert fits[0].classes["a"].num_train == 120


def test_every_share_is_drawn_several_times_and_one_too_small_is_left_out():
    features, target = data()
    params = probe_params(**{"low_shot.fractions": [0.01, 0.1, 0.5], "low_shot.draws": 3})
    components = principal_components(features)
    draws = fit_few(components(features), components.variance, Targets({"a": target}, {}), {"a": 3}, params)
    assert [draw.name for draw in draws] == ["10pct"] * 3 + ["50pct"] * 3


def test_a_label_that_the_draw_does_not_vary_in_is_left_out_of_it():
    features, target = data()
    rare = torch.zeros_like(target)
    rare[0] = 1
    params = probe_params(**{"low_shot.fractions": [0.1], "low_shot.draws": 1})
    assert 0 not in drawn_rows(len(features), 0.1, 0, params.seed)
    components = principal_components(features)
    targets = Targets({"a": target, "rare": rare}, {})
    draws = fit_few(components(features), components.variance, targets, {"a": 3, "rare": 2}, params)
    assert set(draws[0].classes) == {"a"}


def test_the_names_of_shares():
    assert [suffix(fraction) for fraction in (0.01, 0.1, 0.005)] == ["1pct", "10pct", "0_5pct"]
