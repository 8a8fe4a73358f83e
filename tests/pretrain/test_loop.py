"""The loop: resumed runs are bit-identical, bad losses stop it by name, monitors change nothing."""

import math
from typing import Any

import pytest
import torch

from pipeline.files import InputError
from pipeline.pretrain.checkpoint import Checkpoints
from pipeline.pretrain.loop import train
from pipeline.pretrain.monitor import Encode
from tests.pretrain.small_run import IMAGES, build_run


class KilledError(Exception):
    """Stands for SIGKILL: whatever was not saved is lost."""


@pytest.mark.parametrize("killed_at", [1, 3, 5])
def test_a_run_killed_at_any_step_ends_with_the_same_bits(small_tree, tmp_path, monkeypatch, killed_at):
    settings = {
        "runtime.checkpoint_seconds": 0.0,
        "regularizer.name": "vicreg",
        "sparsity.assignment": "learned",
        "sparsity.regroup_every": 2,
    }
    whole = build_run(small_tree, tmp_path / "whole", **settings)
    train(whole)

    first = build_run(small_tree, tmp_path / "killed", **settings)
    train_step = first.trainer.train_step

    def dying(images: torch.Tensor, step: int) -> dict[str, torch.Tensor]:
        if step == killed_at:
            raise KilledError
        return train_step(images, step)

    monkeypatch.setattr(first.trainer, "train_step", dying)
    with pytest.raises(KilledError):
        train(first)
    second = build_run(small_tree, tmp_path / "killed", **settings)
    train(second)

    ours, theirs = second.trainer.model.state_dict(), whole.trainer.model.state_dict()
    assert all(torch.equal(ours[name], theirs[name]) for name in theirs)
    for row, expected in zip(second.trainer.history, whole.trainer.history, strict=True):
        timing = {"images_per_second", "peak_memory_mb"}
        assert {k: v for k, v in row.items() if k not in timing} == {
            k: v for k, v in expected.items() if k not in timing
        }


def test_a_finished_run_is_not_trained_again(small_tree, tmp_path, monkeypatch):
    first = build_run(small_tree, tmp_path)
    train(first)
    second = build_run(small_tree, tmp_path)
    monkeypatch.setattr(second.trainer, "train_step", lambda *_: pytest.fail("trained again"))
    train(second)
    assert second.trainer.step == 6 and second.trainer.history == first.trainer.history


def test_a_non_finite_loss_names_the_step_the_terms_and_the_last_good_checkpoint(
    small_tree, tmp_path, monkeypatch
):
    run = build_run(small_tree, tmp_path / "run", **{"runtime.checkpoint_seconds": 0.0})
    trainer, losses = run.trainer, run.trainer.losses

    def exploding(*arguments: Any) -> dict[str, torch.Tensor]:
        terms = losses(*arguments)
        return terms | {"prediction": terms["prediction"] * (math.inf if trainer.step == 4 else 1)}

    monkeypatch.setattr(trainer, "losses", exploding)
    with pytest.raises(InputError) as caught:
        train(run)
    message = str(caught.value)
    assert message.startswith("step 4: the loss is not finite (prediction inf, regularizer ")
    assert f"last good checkpoint: {tmp_path / 'run/step-4.pt'}" in message and "\n" not in message
    saved = Checkpoints(tmp_path / "run").load_last(run.trainer.fits)
    assert saved is not None and all(weight.isfinite().all() for weight in saved["model"].values())


def test_the_monitor_does_not_change_the_run(small_tree, tmp_path):
    """It may draw random numbers of its own from the global state: the run does not use that."""

    def greedy(encode: Encode) -> dict[str, float]:
        return {"rankme": float(torch.rand(())) + float(encode(torch.from_numpy(IMAGES[:3])).sum())}

    plain = build_run(small_tree, tmp_path / "plain")
    watched = build_run(small_tree, tmp_path / "watched")._replace(monitor=greedy)
    for run in (plain, watched):
        train(run)
    weights = watched.trainer.jepa.state_dict()
    assert all(torch.equal(value, weights[name]) for name, value in plain.trainer.jepa.state_dict().items())


def test_bf16_follows_fp32_and_is_another_arithmetic(small_tree, tmp_path):
    losses = {}
    for precision in ("fp32", "bf16"):
        settings = {"runtime.precision": precision, "pretrain.steps": 30, "pretrain.history_every": 5}
        run = build_run(small_tree, tmp_path / precision, **settings)
        train(run)
        losses[precision] = [row["loss"] for row in run.trainer.history if "loss" in row]
    assert losses["bf16"] == pytest.approx(losses["fp32"], rel=0.01)
    assert losses["bf16"] != losses["fp32"]
    assert losses["fp32"][-1] < 0.99 * losses["fp32"][0]  # it learns, so that agreement means something
