"""Runs trained together end where they would have ended alone."""

from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from conftest import override

from pipeline.params import Params
from pipeline.training.batches import Batches
from pipeline.training.checkpoint import Checkpoints
from pipeline.training.loop import Member, train
from pipeline.training.pretraining import Encode, Pretraining
from pipeline.training.runtime import resolve
from pipeline.training.together import train_together

IMAGES = np.random.default_rng(0).integers(0, 256, (200, 32, 32, 3), dtype=np.uint8)
OWN = [{"pretrain.seed": seed, "sparsity.lambda": strength} for seed, strength in product((0, 1), (0.0, 0.3))]


def watch(encode: Encode) -> dict[str, float]:
    return {"rankme": encode(torch.from_numpy(IMAGES[:20])).std().item()}


def member(tree: dict[str, Any], folder: Path, changes: dict[str, object]) -> Member:
    params = Params.model_validate(override(tree, changes))
    runtime = resolve(params.runtime)
    run = Pretraining(params, params.augment, (0.5,) * 3, (0.25,) * 3, runtime)
    batches = Batches(
        IMAGES, np.arange(200), params.pretrain.batch_size, params.pretrain.seed, runtime.device
    )
    name = "_".join(f"{value}" for value in changes.values())
    return Member(run, batches, Checkpoints(folder / name), watch)


def close(ours: Any, theirs: Any, where: str = "") -> None:
    """Trees of numbers and tensors, equal up to rounding."""
    if isinstance(theirs, dict):
        assert ours.keys() == theirs.keys(), where
        for key in theirs:
            if key not in ("seconds", "together", "images_per_second", "peak_memory_mb"):
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
        rough = 1e-3 if where.endswith("running_mean") else 2e-5  # it follows that bias
        assert torch.allclose(ours, theirs, atol=rough, rtol=2e-4), (where, (ours - theirs).abs().max())
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
        {"sparsity.method": "topk", "pretrain.grad_clip": 0.0},
        {"sparsity.site": "pooled", "sparsity.generator": "gelu", "model.predictor.joint": False},
    ],
)
def test_each_run_leaves_the_state_that_it_leaves_alone(small_tree, tmp_path, changes):
    for own in OWN:
        train(*member(small_tree, tmp_path / "alone", own | changes))
    together = [member(small_tree, tmp_path / "together", own | changes) for own in OWN]
    train_together(together)
    for (run, _, checkpoints, _), own in zip(together, OWN, strict=True):
        alone = member(small_tree, tmp_path / "alone", own | changes)
        ours, theirs = (
            checkpoints.load_last(torch.device("cpu")),
            alone.checkpoints.load_last(torch.device("cpu")),
        )
        assert ours is not None and theirs is not None and run.step == ours["step"] == 6
        close(ours, theirs)
