"""Probes from wrong labels: how many are wrong, what is fitted, and that fits get worse with them."""

import pytest
import torch
from conftest import default_tree, override
from hypothesis import given
from hypothesis import strategies as st

from pipeline.measure.components import principal_components
from pipeline.measure.metrics import accuracy
from pipeline.params import Params, ProbeParams
from pipeline.probe.label_noise import fit_noisy, with_noise
from pipeline.probe.linear_probe import predict_class
from pipeline.probe.targets import Targets


def probe_params(**changes: object) -> ProbeParams:
    noise = {f"probe.label_noise.{key}": value for key, value in changes.items()}
    return Params.model_validate(override(default_tree(), {"probe.l2": [1e-4, 1e-1], **noise})).probe


def data(num_images: int = 4000) -> tuple[torch.Tensor, torch.Tensor]:
    features = torch.randn(num_images, 12, generator=torch.Generator().manual_seed(0))
    return features, features[:, :4].argmax(1)


@given(share=st.floats(0, 1), classes=st.integers(2, 10), seed=st.integers(0, 50))
def test_so_many_labels_are_drawn_anew_and_unknown_ones_stay_unknown(share, classes, seed):
    true = torch.arange(3000) % classes
    true[::5] = -1
    noisy = with_noise(true, classes, share, seed)
    assert torch.equal(noisy == -1, true == -1)
    known = true >= 0
    changed = (noisy != true)[known].float().mean().item()
    assert changed == pytest.approx(share * (1 - 1 / classes), abs=0.05)
    assert int(noisy.max()) < classes
    more = with_noise(true, classes, min(share + 0.2, 1.0), seed)
    assert torch.equal((noisy != true) & (more == true), torch.zeros_like(known))


def test_probes_get_worse_with_every_wrong_label_and_stay_above_chance():
    features, target = data()
    components = principal_components(features)
    rotated = components(features)
    params = probe_params(shares=[0.3, 0.6, 0.95], images=2000)
    draws = fit_noisy(rotated, components.variance, Targets({"a": target}, {}), {"a": 4}, params)
    assert [draw.name for draw in draws] == ["noise30pct", "noise60pct", "noise95pct"]
    scores = [accuracy(predict_class(draw.classes["a"], rotated), target) for draw in draws]
    assert scores[0] > scores[1] > scores[2] > 0.3
    assert all(draw.classes["a"].num_train == 2000 for draw in draws)


def test_the_true_labels_of_replaced_images_do_not_matter():
    """Neither to the weights nor to the strength: everything is fitted and chosen on the wrong labels."""
    features, target = data(600)
    components = principal_components(features)
    params = probe_params(shares=[0.9], images=600)
    replaced = with_noise(torch.full_like(target, 9), 4, 0.9, params.seed) != 9
    other = torch.where(replaced, target.flip(0), target)
    assert 0.4 < (other != target).float().mean() < 0.9
    fits = [
        fit_noisy(components(features), components.variance, Targets({"a": labels}, {}), {"a": 4}, params)
        for labels in (target, other)
    ]
    (ours,), (theirs,) = fits
    assert torch.equal(ours.classes["a"].weights, theirs.classes["a"].weights)
    assert ours.classes["a"].l2 == theirs.classes["a"].l2


def test_a_label_that_the_drawn_images_do_not_have_is_left_out():
    """It is known of two images in 400, and 20 are drawn."""
    features, target = data(400)
    components = principal_components(features)
    rare = torch.full_like(target, -1)
    rare[:2] = torch.tensor([0, 1])
    params = probe_params(shares=[0.5], images=20)
    targets = Targets({"a": target, "rare": rare}, {})
    (draw,) = fit_noisy(components(features), components.variance, targets, {"a": 4, "rare": 2}, params)
    assert set(draw.classes) == {"a"}


def test_without_classes_or_shares_nothing_is_fitted():
    features, target = data(100)
    components = principal_components(features)
    arguments = components(features), components.variance
    no_classes = Targets({}, {"b": target.double()})
    assert fit_noisy(*arguments, no_classes, {}, probe_params()) == []
    assert fit_noisy(*arguments, Targets({"a": target}, {}), {"a": 4}, probe_params(shares=[])) == []
