"""Stage `pretrain`: train the encoder on the prepared set; export it, its history and its metrics."""

from pathlib import Path

import pandas as pd

from pipeline.contracts import pretrain as contract
from pipeline.data import augment
from pipeline.data.store import open_set
from pipeline.files import atomic_file
from pipeline.layout import DATA, ENCODER, metrics_file, table_file
from pipeline.params import Params
from pipeline.pretrain.checkpoint import runs_folder
from pipeline.pretrain.export import export_encoder, interaction_table
from pipeline.pretrain.fingerprint import commit
from pipeline.pretrain.loop import train
from pipeline.pretrain.parallel.launch import distributed
from pipeline.pretrain.parallel.ranks import process_group
from pipeline.pretrain.run import build_run
from pipeline.pretrain.summary import last_line, print_disabled, summarise
from stages import command


def main(params: Params, root: Path) -> None:
    """Write the encoder, the metrics, and the tables of the training's history and of W, under `root`.

    Of several processes the main one writes.
    """
    with process_group(params) as (ranks, runtime):
        images = open_set(root / DATA / params.data.name)
        augmentation, disabled = augment.allowed(params.augment, images.labels)
        print_disabled(disabled)
        run = build_run(params, augmentation, images, runs_folder(root), runtime, ranks)
        train(run)
        if not ranks.is_main:
            return
        export_encoder(run.trainer, images, root / ENCODER)
        history = pd.DataFrame(run.trainer.history)
        for name, table in {"training": history, "interaction": interaction_table(run.trainer)}.items():
            with atomic_file(root / table_file(name)) as temporary:
                table.to_csv(temporary, index=False)
        metrics = summarise(run, disabled)
        content = contract.Pretrain.model_validate(metrics | {"commit": commit(root)})
        contract.write(root / metrics_file("pretrain"), content)
        print(last_line(metrics), flush=True)


start = distributed(main, "stages.pretrain")  # what `python -m stages pretrain` calls

if __name__ == "__main__":
    command.run(start)
