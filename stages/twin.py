"""Stage `twin`: train the same encoder without sparsity, to stand beside the one of stage `pretrain`."""

from pathlib import Path

import pandas as pd

from pipeline.contracts import twin as contract
from pipeline.contracts.pretrain import TRAINING
from pipeline.files import atomic_folder
from pipeline.layout import TWIN, metrics_file, table_file
from pipeline.params import Params
from pipeline.pretrain.history import write_table
from pipeline.pretrain.parallel.launch import distributed
from pipeline.pretrain.parallel.ranks import process_group
from pipeline.pretrain.train_stage import train_stage
from pipeline.pretrain.twin import dense_twin
from stages import command


def main(params: Params, root: Path) -> None:
    """Write the twin's encoder, its metrics and the table of its history, under `root`.

    Where `twin` is false, all three are written empty. Of several processes the main one writes.
    """
    with process_group(params) as (ranks, runtime):
        if not ranks.is_main and not params.twin:
            return
        trained = train_stage("twin", dense_twin(params), root, ranks, runtime) if params.twin else None
    if not params.twin:
        with atomic_folder(root / TWIN):
            pass
        write_table(root / table_file("twin"), pd.DataFrame(columns=list(TRAINING)))
        contract.write(root / metrics_file("twin"), None)
    if trained is not None:
        contract.write(root / metrics_file("twin"), trained[1])


start = distributed(main, "stages.twin")  # what `python -m stages twin` calls

if __name__ == "__main__":
    command.run(start)
