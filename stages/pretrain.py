"""Stage `pretrain`: train the encoder on the prepared set; export it, its history and its metrics."""

from pathlib import Path

from pipeline.contracts import pretrain as contract
from pipeline.layout import metrics_file, table_file
from pipeline.params import Params
from pipeline.pretrain.export import interaction_table
from pipeline.pretrain.history import write_table
from pipeline.pretrain.parallel.launch import distributed
from pipeline.pretrain.parallel.ranks import process_group
from pipeline.pretrain.train_stage import train_stage
from stages import command


def main(params: Params, root: Path) -> None:
    """Write the encoder, the metrics, and the tables of the training's history and of W, under `root`.

    Of several processes the main one writes.
    """
    with process_group(params) as (ranks, runtime):
        trained = train_stage("pretrain", params, root, ranks, runtime)
    if trained is None:
        return
    trainer, metrics = trained
    write_table(root / table_file("interaction"), interaction_table(trainer))
    contract.write(root / metrics_file("pretrain"), metrics)


start = distributed(main, "stages.pretrain")  # what `python -m stages pretrain` calls

if __name__ == "__main__":
    command.run(start)
