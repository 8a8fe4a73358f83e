"""Train several runs in one process, ahead of the stage `pretrain` of each; called by sweeps, not by DVC.

    python -m stages.pretrain_together a.yaml b.yaml ...

Each file is a params.yaml; they may differ in sparsity.lambda and pretrain.seed. It reads artifacts/data of
the current folder and leaves the final state of each run in the runs' folder, under the fingerprint by which
its own stage finds it finished and only exports it. A run that another process trains is left to its stage.
"""

import argparse
from contextlib import ExitStack
from pathlib import Path

from pipeline import params
from pipeline.data import augment
from pipeline.data.store import open_set
from pipeline.layout import DATA
from pipeline.params import Params
from pipeline.pretrain.checkpoint import runs_folder
from pipeline.pretrain.fingerprint import commit
from pipeline.pretrain.parallel.alike import check
from pipeline.pretrain.parallel.together import train_together
from pipeline.pretrain.run import build_run
from pipeline.pretrain.run_lock import RunLock
from pipeline.pretrain.summary import print_disabled
from pipeline.runtime import resolve
from stages import command


def main(cells: list[Params], root: Path) -> None:
    """Raises ParamsError where the runs differ in more than they may."""
    check(cells)
    first = cells[0]
    runtime = resolve(first.runtime)
    images = open_set(root / DATA / first.data.name)
    augmentation, disabled = augment.allowed(first.augment, images.labels)
    print_disabled(disabled)
    runs = [build_run(cell, augmentation, images, runs_folder(root), runtime) for cell in cells]
    with ExitStack() as locks:
        free = [run for run in runs if locks.enter_context(RunLock(run.checkpoints.folder)).take()]
        if len(free) < len(runs):
            print(f"pretrain: {len(runs) - len(free)} in training elsewhere, left to their own stage")
        here = commit(root)
        for run in free:
            run.batches.resident = free[0].batches.resident
        if free:
            train_together([run._replace(commit=here) for run in free])


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("params", nargs="+", type=Path, help="a params.yaml of each run")
    paths = parser.parse_args().params
    command.call(lambda: main([params.load(path) for path in paths], Path()))
