"""What the stages `pretrain` and `twin` share: a run trained to its end, its encoder and history written."""

from pathlib import Path
from typing import Any

import pandas as pd

from pipeline.contracts.pretrain import Pretrain
from pipeline.data import augment
from pipeline.data.store import open_set
from pipeline.layout import DATA, ENCODER, HISTORIES, TWIN
from pipeline.params import Params
from pipeline.pretrain.checkpoint import runs_folder
from pipeline.pretrain.export import export_encoder
from pipeline.pretrain.fingerprint import commit
from pipeline.pretrain.history import LiveTable, write_table
from pipeline.pretrain.loop import train
from pipeline.pretrain.parallel.ranks import Ranks
from pipeline.pretrain.run import build_run
from pipeline.pretrain.run_lock import RunLock
from pipeline.pretrain.summary import last_line, print_disabled, summarise
from pipeline.pretrain.trainer import Trainer
from pipeline.runtime import Runtime
from pipeline.tracking import tracked

FOLDERS = {"pretrain": ENCODER, "twin": TWIN}  # stage -> where its encoder goes


def train_stage(
    stage: str, params: Params, root: Path, ranks: Ranks, runtime: Runtime
) -> tuple[Trainer, Pretrain] | None:
    """Train, or continue, the run of `params`, and export its encoder: the trainer, and what it measured.

    Where another process trains this run, it is waited for. The table of its history grows while it trains,
    and is whole at the end; so does what runtime.tracking names. None in a process that is not the main one,
    which writes nothing.
    """
    images = open_set(root / DATA / params.data.name)
    augmentation, disabled = augment.allowed(params.augment, images.labels)
    print_disabled(disabled, stage)
    run = build_run(params, augmentation, images, runs_folder(root), runtime, ranks, stage)
    table = root / HISTORIES[stage]
    with RunLock(run.checkpoints.folder) as lock:
        lock.wait(stage, ranks)
        if not ranks.is_main:
            train(run)
            return None
        with tracked(params, stage, run.checkpoints.folder) as track:
            live_table = LiveTable(table)

            def show(rows: list[dict[str, Any]]) -> None:
                live_table(rows)
                track(rows)

            train(run._replace(show_history=show, commit=commit(root)))
            track(run.trainer.history)  # what is not there yet of a run that was trained elsewhere
    write_table(table, pd.DataFrame(run.trainer.history))
    metrics = summarise(run, disabled)
    export_encoder(run.trainer, images, metrics, root / FOLDERS[stage], twin=stage == "twin")
    print(last_line(metrics, stage), flush=True)
    return run.trainer, Pretrain.model_validate(metrics)
