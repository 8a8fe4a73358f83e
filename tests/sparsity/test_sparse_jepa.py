"""SparseJEPA around the JEPA: nothing where it is off, what was asked for where it is on."""

from typing import Any

import numpy as np
import pytest
import torch
from conftest import override

from pipeline.data.augment import augment_batch
from pipeline.data.generators import generator
from pipeline.data.normalise import normalise
from pipeline.files import ParamsError
from pipeline.jepa import masking
from pipeline.jepa.objective import update_target
from pipeline.params import Params
from pipeline.pretrain.pretraining import Pretraining, parameter_groups
from pipeline.pretrain.schedules import ema_momentum, learning_rate, sparsity_strengths
from pipeline.runtime import resolve
from pipeline.sparsity.build import build_method

METHODS = ("oi_vae", "group_lasso", "l1", "rdmreg", "topk")
IMAGES = torch.from_numpy(np.random.default_rng(0).integers(0, 256, (6, 32, 32, 32, 3), dtype=np.uint8))


def build(tree: dict[str, Any], **changes: object) -> Pretraining:
    params = Params.model_validate(override(tree, {"sparsity.groups": 8, **changes}))
    return Pretraining(params, params.augment, (0.5,) * 3, (0.25,) * 3, resolve(params.runtime))


def test_without_a_method_it_is_i_jepa_to_the_bit(small_tree):
    """The whole run against one written out here with the JEPA alone."""
    ours, theirs = (build(small_tree, **{"sparsity.method": "none"}) for _ in range(2))
    params, jepa = theirs.params, theirs.jepa
    optimizer = torch.optim.AdamW(
        parameter_groups(jepa, params.pretrain.weight_decay), lr=1.0, betas=params.pretrain.betas, fused=True
    )
    for step, batch in enumerate(IMAGES):
        ours.train_step(batch, step)
        for group in optimizer.param_groups:
            group["lr"] = learning_rate(params.pretrain, step)
        images = augment_batch(
            normalise(batch, (0.5,) * 3, (0.25,) * 3), params.augment, generator(0, step, "augment")
        )
        masks = masking.sample(params.masking, 4, 32, 0, step, torch.device("cpu"))
        sum(jepa(images, masks).values()).backward()
        weights = [weight for weight in jepa.parameters() if weight.requires_grad]
        torch.nn.utils.clip_grad_norm_(weights, params.pretrain.grad_clip)
        optimizer.step()
        optimizer.zero_grad()
        momentum = ema_momentum(params.objective, step, params.pretrain.steps)
        update_target(jepa.target_encoder, jepa.context_encoder, momentum)
    expected = jepa.state_dict()
    assert all(torch.equal(value, expected[name]) for name, value in ours.jepa.state_dict().items())


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("site", ["tokens", "pooled"])
def test_a_stopped_gradient_leaves_the_encoder_to_the_jepa(small_tree, method, site):
    """Without the stop the module's terms reach the encoder; with it not one bit of them does."""
    weights = {}
    for name, changes in {
        "none": {"sparsity.method": "none"},
        "stopped": {"sparsity.method": method, "sparsity.stop_gradient": True},
        "open": {"sparsity.method": method},
    }.items():
        run = build(
            small_tree,
            **{"sparsity.site": site, "pretrain.grad_clip": 0, "sparsity.weight": 5.0, "sparsity.lambda": 1.0}
            | changes,
        )
        for step in range(2):
            run.train_step(IMAGES[step], step)
        weights[name] = run.jepa.context_encoder.state_dict()
    assert all(torch.equal(value, weights["none"][name]) for name, value in weights["stopped"].items())
    assert any(not torch.equal(value, weights["none"][name]) for name, value in weights["open"].items())


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("assignment", ["contiguous", "learned"])
def test_every_method_trains_and_says_what_it_did(small_tree, method, assignment):
    run = build(
        small_tree,
        **{
            "sparsity.method": method,
            "sparsity.assignment": assignment,
            "sparsity.regroup_every": 1,
            "pretrain.accumulation": 2,
        },
    )
    for step, batch in enumerate(IMAGES):
        terms = run.train_step(batch, step)
        assert all(value.isfinite() for value in terms.values())
    assert run.model.method is not None
    found = run.model.method.describe()
    assert 0 <= found["zero_share"] <= 1 and 0 < found["active_groups"] <= 8
    regrouped = not torch.equal(run.model.method.order, torch.arange(32))
    assert regrouped == (assignment == "learned")
    assert sorted(run.model.method.order.tolist()) == list(range(32))


def test_random_numbers_are_a_function_of_seed_and_step(small_tree):
    model = build(small_tree, **{"regularizer.name": "sigreg"}).model
    device = torch.device("cpu")
    first, again, other = (model.draw(4, 3, 0, step, device) for step in (7, 7, 8))
    assert first.noise is not None and again.noise is not None and other.noise is not None
    assert torch.equal(first.noise, again.noise) and not torch.equal(first.noise, other.noise)
    assert first.sigreg is not None and again.sigreg is not None
    assert torch.equal(first.sigreg, again.sigreg)


def test_strengths_rise_linearly_and_arrive(small_tree):
    sparsity = Params.model_validate(
        override(
            small_tree, {"sparsity.lambda": 0.4, "sparsity.lambda_warmup": 0.5, "sparsity.beta_warmup": 0}
        )
    ).sparsity
    risen = [sparsity_strengths(sparsity, step, 10) for step in range(10)]
    assert [round(at.lambda_, 6) for at in risen[:5]] == [0.08, 0.16, 0.24, 0.32, 0.4]
    assert {at.lambda_ for at in risen[4:]} == {0.4} and {at.beta for at in risen} == {sparsity.beta}


def test_groups_that_do_not_divide_the_width_of_a_named_encoder_are_refused(small_tree):
    sparsity = Params.model_validate(override(small_tree, {"sparsity.groups": 16})).sparsity
    with pytest.raises(ParamsError, match=r"^sparsity\.groups: must divide the encoder's embed_dim \(20\)"):
        build_method(sparsity, 20)
