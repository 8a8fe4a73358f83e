"""Train several runs in one process, ahead of the stage `pretrain` of each; called by sweeps, not by DVC.

    python -m stages.pretrain_together a.yaml b.yaml ...

Each file is a params.yaml; they may differ in sparsity.lambda and pretrain.seed. It reads artifacts/data of
the current folder and leaves the final state of each run in the runs' folder, under the fingerprint by which
its own stage finds it finished and only exports it.
"""

import argparse
from pathlib import Path

from pipeline import params
from pipeline.data import augment
from pipeline.data.store import open_set
from pipeline.params import Params
from pipeline.pretrain.parallel.alike import check
from pipeline.pretrain.parallel.ranks import ALONE
from pipeline.pretrain.parallel.together import train_together
from pipeline.runtime import resolve
from stages import command
from stages.pretrain import member_of, say_off


def main(runs: list[Params], root: Path) -> None:
    """Raises ParamsError where the runs differ in more than they may."""
    check(runs)
    first = runs[0]
    runtime = resolve(first.runtime)
    images = open_set(root / "artifacts/data" / first.data.name)
    kept, blame = augment.allowed(first.augment, images.labels)
    say_off(blame)
    members = [member_of(run, root, images, kept, ALONE, runtime) for run in runs]
    for member in members:
        member.batches.resident = members[0].batches.resident
    train_together(members)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("params", nargs="+", type=Path, help="a params.yaml of each run")
    given = parser.parse_args()
    command.call(lambda: main([params.load(path) for path in given.params], Path()))
