"""The loop: resumed runs are bit-identical, bad losses stop it by name, steps do what they say."""

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from conftest import override

from pipeline.files import InputError
from pipeline.params import Params
from pipeline.pretrain.batches import Batches
from pipeline.pretrain.checkpoint import Checkpoints
from pipeline.pretrain.loop import train
from pipeline.pretrain.pretraining import Encode, Pretraining, parameter_groups, trained
from pipeline.runtime import resolve

IMAGES = np.random.default_rng(0).integers(0, 256, (200, 32, 32, 3), dtype=np.uint8)


def build(tree: dict[str, Any], **changes: object) -> tuple[Pretraining, Batches]:
    params = Params.model_validate(override(tree, changes))
    runtime = resolve(params.runtime)
    run = Pretraining(params, params.augment, (0.5,) * 3, (0.25,) * 3, runtime)
    batches = Batches(
        IMAGES, np.arange(200), params.pretrain.batch_size, params.pretrain.seed, runtime.device
    )
    return run, batches


def watch(_encode: Encode) -> dict[str, float]:
    return {"rankme": 1.0}


class KilledError(Exception):
    """Stands for SIGKILL: whatever was not saved is lost."""


@pytest.mark.parametrize("killed_at", [1, 3, 5])
def test_a_run_killed_at_any_step_ends_with_the_same_bits(small_tree, tmp_path, monkeypatch, killed_at):
    settings = {
        "runtime.checkpoint_seconds": 0.0,
        "sparsity.assignment": "learned",
        "sparsity.regroup_every": 2,
    }
    whole, batches = build(small_tree, **settings)
    train(whole, batches, Checkpoints(tmp_path / "whole"), watch)

    first, batches = build(small_tree, **settings)
    step = first.train_step

    def dying(batch: torch.Tensor, number: int) -> dict[str, torch.Tensor]:
        if number == killed_at:
            raise KilledError
        return step(batch, number)

    monkeypatch.setattr(first, "train_step", dying)
    with pytest.raises(KilledError):
        train(first, batches, Checkpoints(tmp_path / "killed"), watch)
    second, batches = build(small_tree, **settings)
    train(second, batches, Checkpoints(tmp_path / "killed"), watch)

    ours, theirs = second.model.state_dict(), whole.model.state_dict()
    assert all(torch.equal(ours[name], theirs[name]) for name in theirs)
    for kept, expected in zip(second.history, whole.history, strict=True):
        timing = {"images_per_second", "peak_memory_mb"}
        assert {k: v for k, v in kept.items() if k not in timing} == {
            k: v for k, v in expected.items() if k not in timing
        }


def test_a_finished_run_is_not_trained_again(small_tree, tmp_path, monkeypatch):
    first, batches = build(small_tree)
    train(first, batches, Checkpoints(tmp_path / "run"), watch)
    second, batches = build(small_tree)
    monkeypatch.setattr(second, "train_step", lambda *_: pytest.fail("trained again"))
    train(second, batches, Checkpoints(tmp_path / "run"), watch)
    assert second.step == 6 and second.history == first.history


def test_a_non_finite_loss_names_the_step_the_terms_and_the_last_good_checkpoint(
    small_tree, tmp_path, monkeypatch
):
    run, batches = build(small_tree, **{"runtime.checkpoint_seconds": 0.0})
    losses = run.losses

    def exploding(*arguments: Any) -> dict[str, torch.Tensor]:
        terms = losses(*arguments)
        return terms | {"prediction": terms["prediction"] * (math.inf if run.step == 4 else 1)}

    monkeypatch.setattr(run, "losses", exploding)
    with pytest.raises(InputError) as caught:
        train(run, batches, Checkpoints(tmp_path / "run"), watch)
    message = str(caught.value)
    assert message.startswith("step 4: the loss is not finite (prediction inf, regularizer ")
    assert f"last good checkpoint: {tmp_path / 'run/step-4.pt'}" in message and "\n" not in message
    saved = Checkpoints(tmp_path / "run").load_last(torch.device("cpu"))
    assert saved is not None and all(weight.isfinite().all() for weight in saved["model"].values())


def test_accumulation_gives_the_gradient_of_the_whole_batch(small_tree):
    """Exact for the prediction term, a mean over images; the regulariser is a statistic of a batch."""
    images = torch.from_numpy(IMAGES[:32])
    weights = []
    for parts in (1, 4):
        run, _ = build(
            small_tree,
            **{"pretrain.accumulation": parts, "regularizer.name": "none", "sparsity.method": "none"},
        )
        run.optimizer = torch.optim.SGD(trained(run.model), lr=0.1)
        run.train_step(images, step=0)
        weights.append(run.jepa.context_encoder.state_dict())
    assert all(torch.allclose(weights[0][k], weights[1][k], atol=1e-6) for k in weights[0])


def test_gradients_are_clipped_to_the_given_norm(small_tree):
    images = torch.from_numpy(IMAGES[:32])
    run, _ = build(small_tree, **{"pretrain.grad_clip": 1e-3})
    seen = []
    step = run.optimizer.step
    run.optimizer.step = lambda: (
        seen.append(  # type: ignore[method-assign]
            torch.stack([w.grad.norm() for w in trained(run.model) if w.grad is not None]).norm()
        )
        or step()
    )
    terms = run.train_step(images, step=0)
    assert terms["grad_norm"] > 1e-3
    assert seen[0].item() == pytest.approx(1e-3, rel=1e-3)


def test_weight_decay_is_for_matrices_only(small_tree):
    run, _ = build(small_tree)
    decayed, others = parameter_groups(run.model, 0.05)
    assert decayed["weight_decay"] == 0.05 and others["weight_decay"] == 0
    assert all(weight.ndim >= 2 for weight in decayed["params"])
    assert run.jepa.predictor.mask_token in set(others["params"])
    known = len(decayed["params"]) + len(others["params"])
    assert known == len(trained(run.model))


def test_features_are_those_of_the_target_encoder_and_move_with_it(small_tree, tmp_path):
    run, batches = build(small_tree)
    images = torch.from_numpy(IMAGES[:7])
    before = run.features(images)
    assert before.shape == (7, 32) and before.dtype == torch.float32
    train(run, batches, Checkpoints(tmp_path / "run"), watch)
    assert not torch.equal(before, run.features(images))


def test_the_monitor_does_not_change_the_run(small_tree, tmp_path):
    """It may draw random numbers of its own from the global state: the run does not use that."""

    def greedy(encode: Encode) -> dict[str, float]:
        return {"rankme": float(torch.rand(())) + float(encode(torch.from_numpy(IMAGES[:3])).sum())}

    weights = []
    for number, monitor in enumerate((watch, greedy)):
        run, batches = build(small_tree)
        train(run, batches, Checkpoints(Path(tmp_path / str(number))), monitor)
        weights.append(run.jepa.state_dict())
    assert all(torch.equal(weights[0][name], weights[1][name]) for name in weights[0])
