"""The objective: where gradients go, what the EMA does, what the terms are."""

import math

import pytest
import torch
from conftest import default_tree, override
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.jepa import masking
from pipeline.jepa.objective import (
    Jepa,
    normalised_targets,
    prediction_loss,
    sigreg,
    sigreg_directions,
    update_target,
    vicreg,
)
from pipeline.params import MaskingParams, ModelParams, ObjectiveParams, RegularizerParams

SMALL = {
    "model.embed_dim": 32,
    "model.depth": 1,
    "model.num_heads": 2,
    "model.predictor.embed_dim": 16,
    "model.predictor.num_heads": 2,
    "regularizer.name": "vicreg",
}


def build(**changes: object) -> Jepa:
    tree = override(default_tree(), SMALL | changes)
    return Jepa(
        ModelParams.model_validate(tree["model"]),
        ObjectiveParams.model_validate(tree["objective"]),
        RegularizerParams.model_validate(tree["regularizer"]),
        image_size=32,
        seed=0,
    )


def batch(size: int = 8) -> tuple[torch.Tensor, masking.Masks]:
    images = torch.randn(size, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    masks = masking.sample(MaskingParams.model_validate(default_tree()["masking"]), 4, size, seed=0, step=0)
    return images, masks


def test_no_gradient_reaches_the_target_encoder_and_every_other_weight_gets_one():
    jepa = build()
    sum(jepa(*batch()).values()).backward()
    assert all(weight.grad is None for weight in jepa.target_encoder.parameters())
    learning = [*jepa.context_encoder.named_parameters(), *jepa.predictor.named_parameters()]
    missing = [name for name, weight in learning if weight.requires_grad and weight.grad is None]
    assert missing == []


def test_targets_depend_on_hidden_patches_and_predictions_do_not():
    """With the context fixed, changing a target patch moves the loss only through the target."""
    jepa = build(**{"regularizer.name": "none"})
    images, masks = batch()
    changed = images.clone()
    hidden = int(masks.targets[0, 0, 0])
    row, column = divmod(hidden, 4)
    changed[0, :, row * 8 : row * 8 + 8, column * 8 : column * 8 + 8] += 3
    seen = []
    jepa.predictor.register_forward_hook(lambda _m, _i, output: seen.append(output.detach()))
    first, second = jepa(images, masks)["prediction"], jepa(changed, masks)["prediction"]
    assert torch.equal(seen[0], seen[1])
    assert first != second


@settings(max_examples=25)
@given(momentum=st.floats(0, 1))
def test_ema_is_a_convex_combination(momentum):
    ours, theirs = torch.nn.Linear(3, 2), torch.nn.Linear(3, 2)
    before = ours.weight.detach().clone()
    update_target(ours, theirs, momentum)
    expected = momentum * before + (1 - momentum) * theirs.weight.detach()
    assert torch.allclose(ours.weight, expected, atol=1e-6)


def test_ema_limits_copy_and_keep():
    ours, theirs = torch.nn.Linear(3, 2), torch.nn.Linear(3, 2)
    before = ours.weight.detach().clone()
    update_target(ours, theirs, 1.0)
    assert torch.equal(ours.weight, before)
    update_target(ours, theirs, 0.0)
    assert torch.equal(ours.weight, theirs.weight)


def test_targets_have_mean_zero_and_variance_one_per_token():
    targets = normalised_targets(torch.randn(4, 7, 32) * 5 + 2)
    assert torch.allclose(targets.mean(-1), torch.zeros(4, 7), atol=1e-5)
    assert torch.allclose(targets.var(-1, correction=0), torch.ones(4, 7), atol=1e-3)


@pytest.mark.parametrize(
    ("distance", "error", "expected"),
    [("mse", 0.5, 0.25), ("mse", 3.0, 9.0), ("smooth_l1", 0.5, 0.125), ("smooth_l1", 3.0, 2.5)],
)
def test_prediction_loss_of_a_constant_error(distance, error, expected):
    targets = torch.randn(2, 2, 4, 8)
    assert prediction_loss(targets + error, targets, distance).item() == pytest.approx(expected, rel=1e-4)


def test_vicreg_vanishes_for_white_features_and_counts_what_is_missing():
    white = torch.linalg.qr(torch.randn(512, 16, dtype=torch.float64) - 0)[0]
    white = white - white.mean(0)
    white = torch.linalg.qr(white)[0] * (511**0.5)  # centred, orthogonal, unit variance
    assert vicreg(white).item() == pytest.approx(0, abs=1e-9)
    assert vicreg(torch.zeros(512, 16)).item() == pytest.approx(1 - 1e-2, abs=1e-6)  # 1 - sqrt(1e-4)
    copied = white[:, :1].repeat(1, 16)  # every covariance is one
    assert vicreg(copied).item() == pytest.approx(16 * 15 / 16 / 25, rel=1e-6)


def test_vicreg_agrees_with_the_formula_written_with_loops():
    features = torch.randn(40, 5, dtype=torch.float64)
    variance = sum(max(0.0, 1 - (features[:, j].var().item() + 1e-4) ** 0.5) for j in range(5)) / 5
    covariance = torch.cov(features.T)
    off = sum(covariance[i, j].item() ** 2 for i in range(5) for j in range(5) if i != j) / 5
    assert vicreg(features).item() == pytest.approx(variance + off / 25, rel=1e-9)


def test_terms_are_those_asked_for():
    assert set(build()(*batch())) == {"prediction", "regularizer"}
    assert set(build(**{"regularizer.name": "none"})(*batch())) == {"prediction"}


@pytest.mark.parametrize("site", ["pooled", "tokens"])
def test_the_regulariser_reads_images_or_tokens(site):
    images, masks = batch()
    jepa = build(**{"regularizer.site": site})
    context = jepa.embed(images, masks)[0]
    features = context.mean(1) if site == "pooled" else context.reshape(-1, context.shape[2])
    assert torch.equal(jepa(images, masks)["regularizer"], jepa.regularizer.weight * vicreg(features))


def test_a_pass_per_block_equals_a_joint_pass_where_there_is_one_block():
    images, masks = batch()
    one = masking.Masks(masks.context, masks.targets[:, :1])
    joint, separate = build(), build(**{"model.predictor.joint": False})
    separate.load_state_dict(joint.state_dict())
    assert torch.allclose(joint(images, one)["prediction"], separate(images, one)["prediction"], atol=1e-6)
    assert not torch.allclose(
        joint(images, masks)["prediction"], separate(images, masks)["prediction"], atol=1e-6
    )


def test_sigreg_is_the_closed_form_of_the_epps_pulley_statistic():
    """Baringhaus and Henze 1988: the integral over the whole line, written without a quadrature."""
    random = torch.Generator().manual_seed(0)
    features = 0.8 * torch.randn(40, 6, generator=random, dtype=torch.float64) + 0.3
    directions = sigreg_directions(6, random, projections=5).double()
    expected = []
    for direction in directions.T:
        x = features @ direction
        pairs = torch.tensor([[math.exp(-((a - b) ** 2) / 2) for a in x] for b in x]).mean()
        singles = torch.tensor([math.exp(-(a**2) / 4) for a in x]).mean()
        integral = math.sqrt(2 * math.pi) * (pairs - math.sqrt(2) * singles + 1 / math.sqrt(3))
        expected.append(len(x) * integral.item())
    found = sigreg(features, directions).item()
    assert found == pytest.approx(sum(expected) / 5, rel=1e-4)


def test_sigreg_is_small_for_a_standard_normal_and_large_for_a_collapse():
    random = torch.Generator().manual_seed(0)
    directions = sigreg_directions(16, random)
    torch.testing.assert_close(directions.norm(dim=0), torch.ones(256))
    normal = sigreg(torch.randn(512, 16, generator=random), directions)
    assert normal < 1.5 < 50 < sigreg(torch.zeros(512, 16), directions)
