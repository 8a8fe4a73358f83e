"""Runs trained together end where they would have ended alone."""

import math
from itertools import product
from pathlib import Path
from typing import Any

import pytest
import torch
from conftest import override

from pipeline.files import ParamsError
from pipeline.pretrain.loop import train
from pipeline.pretrain.monitor import Encode
from pipeline.pretrain.parallel.together import StackedTrainer, train_together
from pipeline.pretrain.run import TrainingRun
from tests.pretrain.small_run import IMAGES, build_run

STEP = 0.004  # the learning rate, which bounds a step of AdamW
MEMBERS = [
    {"pretrain.seed": seed, "sparsity.lambda": strength} for seed, strength in product((0, 1), (0.0, 0.3))
]


class KilledError(Exception):
    """Stands for SIGKILL."""


def spread(encode: Encode) -> dict[str, float]:
    return {"rankme": encode(torch.from_numpy(IMAGES[:20])).std().item()}


def member(tree: dict[str, Any], folder: Path, changes: dict[str, object]) -> TrainingRun:
    name = "_".join(f"{value}" for value in changes.values())
    return build_run(tree, folder / name, **changes)._replace(monitor=spread)


def final_state(run: TrainingRun) -> dict[str, Any]:
    state = run.checkpoints.load_last(lambda _: True)
    assert state is not None
    return state


def close(ours: Any, theirs: Any, where: str = "") -> None:
    """Trees of numbers and tensors, equal up to rounding."""
    if isinstance(theirs, dict):
        assert ours.keys() == theirs.keys(), where
        for key in theirs:
            if key not in ("seconds", "together", "stretches", "images_per_second", "peak_memory_mb"):
                close(ours[key], theirs[key], f"{where}.{key}")
    elif isinstance(theirs, (list, tuple)):
        assert len(ours) == len(theirs), where
        for at, (one, other) in enumerate(zip(ours, theirs, strict=True)):
            close(one, other, f"{where}[{at}]")
    elif isinstance(theirs, torch.Tensor):
        # Of keys and of what a batch norm follows a bias does nothing: its gradient is rounding alone.
        if where.endswith("qkv.bias"):
            ours, theirs = (torch.cat(bias.chunk(3)[::2]) for bias in (ours, theirs))
        if where.endswith("heads.bias"):
            ours, theirs = (bias.chunk(2)[1] for bias in (ours, theirs))
        rough = 2e-3 if where.endswith("running_mean") else 2e-5  # it follows that bias
        apart = ~torch.isclose(ours, theirs, atol=rough, rtol=2e-4)
        # AdamW divides a gradient by its own size: one that is rounding alone moves its weight visibly.
        assert apart.sum() <= theirs.numel() / 1000, (where, (ours - theirs).abs().max())
        assert (ours - theirs)[apart].abs().lt(STEP / 10).all(), (where, (ours - theirs).abs().max())
    elif theirs is None:
        assert ours is None, where
    else:
        assert ours == pytest.approx(theirs, rel=1e-3, abs=1e-4), where


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"sparsity.method": "none"},
        {"sparsity.method": "group_lasso", "pretrain.accumulation": 2},
        {"sparsity.method": "rdmreg", "regularizer.name": "sigreg"},
        {"sparsity.method": "rdmreg", "sparsity.rdmreg.rectifies": "embedding"},
        {"sparsity.method": "topk", "pretrain.grad_clip": 0.0},
        {"sparsity.site": "predictor"},
        {"model.iterations": 3},
        {"model.predictor.name": "mlp"},
        {"regularizer.name": "independent_groups"},
        {"sparsity.stop_gradient": True, "sparsity.weight": 5.0, "pretrain.grad_clip": 0.01},
        {"sparsity.site": "pooled", "sparsity.generator": "gelu", "model.predictor.joint": False},
    ],
)
def test_each_run_leaves_the_state_that_it_leaves_alone(small_tree, tmp_path, changes):
    for cell in MEMBERS:
        train(member(small_tree, tmp_path / "alone", cell | changes))
    together = [member(small_tree, tmp_path / "together", cell | changes) for cell in MEMBERS]
    train_together(together)
    for run, cell in zip(together, MEMBERS, strict=True):
        alone = member(small_tree, tmp_path / "alone", cell | changes)
        ours, theirs = final_state(run), final_state(alone)
        assert run.trainer.step == ours["step"] == 6
        close(ours, theirs)


def test_after_a_kill_they_go_on_from_the_last_step_of_which_all_have_a_state(
    small_tree, tmp_path, monkeypatch, capsys
):
    changes = {"runtime.checkpoint_seconds": 0.0}

    def members(folder: str) -> list[TrainingRun]:
        return [member(small_tree, tmp_path / folder, cell | changes) for cell in MEMBERS]

    train_together(members("whole"))
    train_steps, killed = StackedTrainer.train_steps, members("killed")

    def dying(self: StackedTrainer, batches: list[torch.Tensor], step: int) -> list[dict[str, torch.Tensor]]:
        if step == 4:
            raise KilledError
        return train_steps(self, batches, step)

    monkeypatch.setattr(StackedTrainer, "train_steps", dying)
    with pytest.raises(KilledError):
        train_together(killed)
    monkeypatch.setattr(StackedTrainer, "train_steps", train_steps)
    for end in ("json", "pt"):  # killed between the saves of two members
        (killed[1].checkpoints.folder / f"step-4.{end}").unlink()
    capsys.readouterr()
    train_together(members("killed"))
    assert "4 runs together, after step 3 of 6" in capsys.readouterr().out
    for continued, whole in zip(members("killed"), members("whole"), strict=True):
        ours, theirs = final_state(continued), final_state(whole)
        assert all(torch.equal(ours["model"][key], theirs["model"][key]) for key in theirs["model"])


def test_a_run_that_is_finished_or_begun_alone_is_left_to_its_own_stage(small_tree, tmp_path, capsys):
    train(member(small_tree, tmp_path, MEMBERS[0]))
    begun = member(small_tree, tmp_path, MEMBERS[1])
    begun.checkpoints.save(begun.trainer.state() | {"step": 2}, 2)
    members = [member(small_tree, tmp_path, cell) for cell in MEMBERS]
    capsys.readouterr()
    train_together(members)
    assert "2 runs together; 2 finished or further, left to their own stage" in capsys.readouterr().out
    assert [run.checkpoints.steps()[0] for run in members] == [6, 2, 6, 6]


def test_a_run_whose_loss_is_not_finite_is_dropped_and_harms_no_other(small_tree, tmp_path, capsys):
    members = [member(small_tree, tmp_path / "together", cell) for cell in MEMBERS]
    with torch.no_grad():
        members[1].trainer.jepa.predictor.mask_token.fill_(math.nan)
    train_together(members)
    assert "step 0: the loss is not finite (prediction nan" in capsys.readouterr().out
    assert [bool(run.checkpoints.steps()) for run in members] == [True, False, True, True]
    train(member(small_tree, tmp_path / "alone", MEMBERS[0]))
    close(final_state(members[0]), final_state(member(small_tree, tmp_path / "alone", MEMBERS[0])))


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"pretrain.learning_rate": 0.1}, "may differ in sparsity.lambda and pretrain.seed alone"),
        ({"sparsity.assignment": "learned"}, "train alone"),
    ],
)
def test_runs_that_cannot_train_together_are_refused(small_tree, tmp_path, changes, reason):
    tree = override(small_tree, {"regularizer.name": "vicreg"})
    members = [member(tree, tmp_path, cell) for cell in ({}, changes)]
    with pytest.raises(ParamsError, match=reason):
        train_together(members)
