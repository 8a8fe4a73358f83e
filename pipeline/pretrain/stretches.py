"""Where, how and by which code a run was trained: part of its state, as another process may export it.

A stretch is the steps that were taken under equal conditions. A run that goes on elsewhere has several.
"""

from itertools import groupby
from typing import Any

import torch

from pipeline.pretrain.trainer import Trainer

Stretch = dict[str, Any]  # from_step, and the conditions


def begin_stretch(trainer: Trainer, commit: str | None) -> None:
    """Note the conditions under which the trainer goes on, unless they are those of its last stretch.

    commit: of the code, None without Git.
    """
    runtime = trainer.runtime
    conditions = {
        "device": f"{runtime.device.type}: {runtime.describe()}",
        "threads": torch.get_num_threads(),
        "precision": runtime.precision,
        "compile": trainer.params.runtime.compile,
        "processes": trainer.ranks.shard.world_size,
        "torch": str(torch.__version__),
        "commit": commit,
    }
    if not trainer.stretches or trainer.stretches[-1] | conditions != trainer.stretches[-1]:
        trainer.stretches.append({"from_step": trainer.step, **conditions})


def over_stretches(stretches: list[Stretch], key: str) -> Any:
    """A condition where it was the same throughout; else all that it was in turn, as "fp32 then bf16".

    None, a commit without Git, counts only alone: the code of all stretches is the same.
    """
    known = [stretch[key] for stretch in stretches if stretch[key] is not None]
    values = [value for value, _ in groupby(known)] or [None]
    return values[0] if len(values) == 1 else " then ".join(str(value) for value in values)
