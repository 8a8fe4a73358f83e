"""A small run on random images."""

from pathlib import Path
from typing import Any

import numpy as np
from conftest import override

from pipeline.params import Params
from pipeline.pretrain.batches import Batches
from pipeline.pretrain.checkpoint import Checkpoints
from pipeline.pretrain.monitor import Encode
from pipeline.pretrain.parallel.ranks import SINGLE_PROCESS, Ranks
from pipeline.pretrain.run import TrainingRun
from pipeline.pretrain.trainer import Trainer
from pipeline.runtime import Runtime, resolve

IMAGES = np.random.default_rng(0).integers(0, 256, (200, 32, 32, 3), dtype=np.uint8)


def constant_monitor(_encode: Encode) -> dict[str, float]:
    return {"rankme": 1.0}


def build_trainer(params: Params, runtime: Runtime | None = None, ranks: Ranks = SINGLE_PROCESS) -> Trainer:
    """The trainer of `params`, all augmentations on."""
    return Trainer(params, params.augment, (0.5,) * 3, (0.25,) * 3, runtime or resolve(params.runtime), ranks)


def run_of(
    params: Params, folder: Path, runtime: Runtime | None = None, ranks: Ranks = SINGLE_PROCESS
) -> TrainingRun:
    """The run of `params` on IMAGES, its states in `folder`."""
    trainer, pretrain = build_trainer(params, runtime, ranks), params.pretrain
    batches = Batches(
        IMAGES, np.arange(200), pretrain.batch_size, pretrain.seed, trainer.runtime.device, ranks.shard
    )
    return TrainingRun(trainer, batches, Checkpoints(folder, writes=ranks.is_main), constant_monitor)


def build_run(tree: dict[str, Any], folder: Path, **changes: object) -> TrainingRun:
    """The run of a params tree with some dotted paths changed."""
    return run_of(Params.model_validate(override(tree, changes)), folder)
