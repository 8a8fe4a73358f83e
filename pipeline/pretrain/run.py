"""A run with all that goes with it: its trainer, its batches, its resume states and its monitor."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch

from pipeline.data.store import ImageSet, Split
from pipeline.params import AugmentParams, Params
from pipeline.pretrain.batches import Batches, hold_out
from pipeline.pretrain.checkpoint import Checkpoints
from pipeline.pretrain.fingerprint import run_fingerprint
from pipeline.pretrain.history import no_table
from pipeline.pretrain.monitor import Encode, Monitor, no_monitor
from pipeline.pretrain.parallel.ranks import SINGLE_PROCESS, Ranks
from pipeline.pretrain.trainer import Trainer
from pipeline.runtime import Runtime


class TrainingRun(NamedTuple):
    """A trainer with what feeds, keeps and watches it.

    stage: that trains it, for what is printed. show_history: called with the history when it has grown.
    commit: of the code that trains it, None without Git.
    """

    trainer: Trainer
    batches: Batches
    checkpoints: Checkpoints
    monitor: Callable[[Encode], dict[str, float]]
    stage: str = "pretrain"
    show_history: Callable[[list[dict[str, Any]]], None] = no_table
    commit: str | None = None


def build_run(
    params: Params,
    augment: AugmentParams,
    images: ImageSet,
    runs: Path,
    runtime: Runtime,
    ranks: Ranks = SINGLE_PROCESS,
    stage: str = "pretrain",
) -> TrainingRun:
    """The run of `params` on the training split of `images`, its states in `runs` under its fingerprint.

    augment: what the labels of the set allow. stage: `pretrain` or `twin`. Of several processes the main one
    monitors and writes.
    """
    split, pretrain = images.split("train"), params.pretrain
    for_training, held_out = hold_out(len(split), pretrain.monitor_images, pretrain.seed)
    batches = Batches(
        split.images, for_training, pretrain.batch_size, pretrain.seed, runtime.device, ranks.shard
    )
    trainer = Trainer(params, augment, images.mean, images.std, runtime, ranks)
    folder = runs / run_fingerprint(params, images.fingerprint, stage=stage)
    monitor = _monitor(split, held_out, images, trainer) if ranks.is_main else no_monitor
    return TrainingRun(trainer, batches, Checkpoints(folder, writes=ranks.is_main), monitor, stage)


def _monitor(split: Split, held_out: np.ndarray, images: ImageSet, trainer: Trainer) -> Monitor:
    labels = split.labels.iloc[held_out].reset_index(drop=True)
    pixels = torch.from_numpy(split.images[held_out])
    return Monitor(pixels, labels, images.labels, trainer.masked_features)
