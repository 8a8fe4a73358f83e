"""SparseJEPA around the JEPA: nothing where it is off, what was asked for where it is on."""

import os
import subprocess
import sys
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from conftest import REPOSITORY, override
from pydantic import ValidationError

from pipeline.data.augment import augment_batch
from pipeline.data.generators import generator
from pipeline.data.normalise import normalise
from pipeline.jepa import masking
from pipeline.jepa.encoder import encode
from pipeline.jepa.objective import update_target
from pipeline.params import Params
from pipeline.params.registry import SPARSITY_METHODS
from pipeline.pretrain.optimizer import parameter_groups
from pipeline.pretrain.schedules import ema_momentum, learning_rate
from pipeline.pretrain.trainer import Trainer
from pipeline.runtime import resolve
from pipeline.sparsity.build import NO_METHOD
from pipeline.sparsity.oi_vae import OiVae
from pipeline.sparsity.rdmreg import Rdmreg, sliced_wasserstein
from pipeline.sparsity.sparse_jepa import Batch, standardise

METHODS = [name for name in SPARSITY_METHODS if name != NO_METHOD]
IMAGES = torch.from_numpy(np.random.default_rng(0).integers(0, 256, (6, 32, 32, 32, 3), dtype=np.uint8))


def build(tree: dict[str, Any], **changes: object) -> Trainer:
    params = Params.model_validate(override(tree, {"sparsity.groups": 8, **changes}))
    return Trainer(params, params.augment, (0.5,) * 3, (0.25,) * 3, resolve(params.runtime))


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
        draws = jepa.draw(params.sparsity.groups, 0, step, torch.device("cpu"))
        sum(jepa(images, masks, draws).values()).backward()
        weights = [weight for weight in jepa.parameters() if weight.requires_grad]
        torch.nn.utils.clip_grad_norm_(weights, params.pretrain.grad_clip)
        optimizer.step()
        optimizer.zero_grad()
        momentum = ema_momentum(params.objective, step, params.pretrain.steps)
        update_target(jepa.target_encoder, jepa.context_encoder, momentum)
    expected = jepa.state_dict()
    assert all(torch.equal(value, expected[name]) for name, value in ours.jepa.state_dict().items())


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(("site", "grad_clip"), [("tokens", 0), ("pooled", 0), ("tokens", 1e-3)])
def test_a_stopped_gradient_leaves_the_encoder_to_the_jepa(small_tree, method, site, grad_clip):
    """Without the stop the module's terms reach the encoder; with it not one bit of them does, even where
    every gradient is clipped."""
    weights = {}
    for name, changes in {
        "none": {"sparsity.method": "none"},
        "stopped": {"sparsity.method": method, "sparsity.stop_gradient": True},
        "open": {"sparsity.method": method},
    }.items():
        trainer = build(
            small_tree,
            **{
                "sparsity.site": site,
                "pretrain.grad_clip": grad_clip,
                "sparsity.weight": 5.0,
                "sparsity.lambda": 1.0,
            }
            | changes,
        )
        for step in range(2):
            terms = trainer.train_step(IMAGES[step], step)
            assert terms["grad_norm"] > grad_clip
        weights[name] = trainer.jepa.context_encoder.state_dict()
    assert all(torch.equal(value, weights["none"][name]) for name, value in weights["stopped"].items())
    assert any(not torch.equal(value, weights["none"][name]) for name, value in weights["open"].items())


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("assignment", ["contiguous", "learned"])
def test_every_method_trains_and_says_what_it_did(small_tree, method, assignment):
    trainer = build(
        small_tree,
        **{
            "sparsity.method": method,
            "sparsity.assignment": assignment,
            "regularizer.name": "vicreg",
            "sparsity.regroup_every": 1,
            "pretrain.accumulation": 2,
        },
    )
    for step, batch in enumerate(IMAGES):
        terms = trainer.train_step(batch, step)
        assert all(value.isfinite() for value in terms.values())
    assert trainer.model.method is not None
    numbers = trainer.model.method.describe()
    assert 0 <= numbers["zero_share"] <= 1 and 0 < numbers["active_groups"] <= 8
    regrouped = not torch.equal(trainer.model.method.order, torch.arange(32))
    assert regrouped == (assignment == "learned")
    assert sorted(trainer.model.method.order.tolist()) == list(range(32))


@pytest.mark.parametrize("regularizer", ["sigreg", "independent_groups"])
def test_random_numbers_are_a_function_of_seed_and_step(small_tree, regularizer):
    trainer = build(small_tree, **{"regularizer.name": regularizer})
    model = trainer.model
    device = torch.device("cpu")
    masks = masking.sample(trainer.params.masking, 4, 4, 0, 0, device)
    first, again, other = (model.draw(4, masks, 0, step, device) for step in (7, 7, 8))
    assert first.noise is not None and again.noise is not None and other.noise is not None
    assert torch.equal(first.noise, again.noise) and not torch.equal(first.noise, other.noise)
    assert first.regularizer is not None and again.regularizer is not None
    assert other.regularizer is not None
    assert torch.equal(first.regularizer, again.regularizer)
    assert not torch.equal(first.regularizer, other.regularizer)


def test_groups_of_one_feature_without_dependence_train_as_vicreg_does_to_the_bit(small_tree):
    common = {"sparsity.method": "none", "sparsity.groups": 32, "regularizer.dependence": 0.0}
    weights = []
    for name in ("vicreg", "independent_groups"):
        trainer = build(small_tree, **common, **{"regularizer.name": name})
        for step in range(3):
            trainer.train_step(IMAGES[step], step)
        weights.append(trainer.model.state_dict())
    assert all(torch.equal(weights[0][key], weights[1][key]) for key in weights[0])


def test_rdmreg_as_published_predicts_rectified_features_from_rectified_features(small_tree):
    """The JEPA's prediction of relu(targets) from relu(context), and the distance of that same context."""
    changes = {"objective.loss": "mse", "regularizer.name": "none", "sparsity.lambda_warmup": 0.0}
    published = {
        "sparsity.method": "rdmreg",
        "sparsity.lambda": 5.0,
        "sparsity.rdmreg.rectifies": "embedding",
    }
    trainer = build(small_tree, **changes, **published)
    model, method, jepa = trainer.model, trainer.model.method, trainer.jepa
    ((batch, strengths, _),) = trainer.loss_arguments(IMAGES[0], step=0)
    terms = model(batch, strengths)
    with torch.no_grad():
        context = encode(jepa.context_encoder, batch.images, batch.masks.context).relu()
        targets = encode(jepa.target_encoder, batch.images).relu()
        assert torch.equal(terms["prediction"], jepa.terms(context, targets, batch.masks)["prediction"])
    assert isinstance(method, Rdmreg) and batch.draws.noise is not None and batch.draws.directions is not None
    distance = sliced_wasserstein(
        context.flatten(0, 1), batch.draws.noise.flatten(0, 1), batch.draws.directions
    )
    torch.testing.assert_close(terms["rdmreg"], 5 * distance)
    tokens = encode(jepa.target_encoder, batch.images)
    assert torch.equal(method.latents(tokens), tokens.relu())  # the view `latent` is what is predicted


def test_at_the_predictor_the_modules_error_is_the_prediction_error(small_tree):
    """The squared error of what it generates from the predicted tokens. The JEPA has no other, and it trains
    encoder and predictor."""
    trainer = build(small_tree, **{"sparsity.site": "predictor"})
    model, method, jepa = trainer.model, trainer.model.method, trainer.jepa
    ((batch, strengths, _),) = trainer.loss_arguments(IMAGES[0], step=0)
    terms = model(batch, strengths)
    assert set(terms) == {"regularizer", "reconstruction", "kl"}
    assert isinstance(method, OiVae) and batch.draws.noise is not None
    with torch.no_grad():
        predicted, hidden = jepa.predict(*jepa.embed(batch.images, batch.masks), batch.masks)
        mean, log_variance = method.posterior(predicted.flatten(1, 2))
        latents = mean + batch.draws.noise * (log_variance / 2).exp()
        generated = method.generate(method.generator_inputs(latents)).flatten(2)
        error = (generated - standardise(hidden.flatten(1, 2))).square().mean() / 2
    torch.testing.assert_close(terms["reconstruction"], strengths.weight * error)
    terms["reconstruction"].backward()
    for module in (jepa.context_encoder, jepa.predictor):
        gradients = [weight.grad for weight in module.parameters() if weight.requires_grad]
        assert all(gradient is not None and gradient.norm() > 0 for gradient in gradients)


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        ({"sparsity.method": "l1"}, r"site\n.*must be tokens or pooled for l1: only oi_vae"),
        (
            {"sparsity.stop_gradient": True},
            r"stop_gradient\n.*must be false where sparsity.site is predictor",
        ),
    ],
)
def test_only_an_oi_vae_with_gradient_can_make_the_prediction(small_tree, changes, line):
    with pytest.raises(ValidationError, match=line):
        build(small_tree, **{"sparsity.site": "predictor"} | changes)


def test_a_rectified_embedding_cannot_be_stopped(small_tree):
    changes = {"sparsity.method": "rdmreg", "sparsity.stop_gradient": True}
    with pytest.raises(ValidationError, match=r"sparsity.stop_gradient must be false"):
        build(small_tree, **changes, **{"sparsity.rdmreg.rectifies": "embedding"})


COMPILE = """
from pathlib import Path

import torch

from pipeline.params import load
from pipeline.pretrain.trainer import Trainer
from pipeline.runtime import resolve

params = load(Path("params.yaml"))
trainer = Trainer(params, params.augment, (0.5,) * 3, (0.25,) * 3, resolve(params.runtime))
images = torch.zeros(params.pretrain.batch_size, 32, 32, 3, dtype=torch.uint8)
(arguments,) = trainer.loss_arguments(images, step=0)
terms = torch.compile(trainer.model, backend="eager", fullgraph=True)(*arguments)
print(sorted(terms))
"""


@pytest.mark.slow
@pytest.mark.parametrize("method", METHODS)
def test_torch_compile_follows_the_batch_object_without_splitting_the_graph(small_tree, tmp_path, method):
    """In a process without checks of shapes: torch.compile cannot see through those."""
    tree = override(small_tree, {"sparsity.method": method})
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(tree))
    environment = os.environ | {"PYTHONPATH": str(REPOSITORY)}
    command = [sys.executable, "-c", COMPILE]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.returncode == 0 and "prediction" in done.stdout, done.stderr


@pytest.mark.parametrize("site", ["pooled", "tokens"])
def test_a_gathered_batch_gives_the_terms_of_the_whole(small_tree, site):
    """Two halves, each of which gets the other's rows: their mean is the whole batch, term by term."""
    trainer = build(small_tree, **{"sparsity.method": "group_lasso", "regularizer.site": site})
    ((whole, strengths, _),) = trainer.loss_arguments(IMAGES[0], step=0)
    halves = [Batch(part.images, part.masks, whole.draws) for part in whole.chunk(2)]
    rows: list[torch.Tensor] = []
    for half in halves:  # what each half hands out
        trainer.model(half, strengths, lambda tensor: rows.append(tensor) or tensor)
    count = len(rows) // 2
    joined = [torch.cat(pair) for pair in zip(rows[:count], rows[count:], strict=True)]
    terms = []
    for half in halves:
        answers = iter(joined)
        terms.append(trainer.model(half, strengths, lambda _, answers=answers: next(answers)))
    expected = trainer.model(whole, strengths)
    for name in ("prediction", "regularizer"):
        torch.testing.assert_close((terms[0][name] + terms[1][name]) / 2, expected[name])
