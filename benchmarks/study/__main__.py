"""The study of docs/study.md: every method at a setting that validation chose, on four sets.

    python -m benchmarks.study train scenes=DATA cifar100=DATA cifar10=DATA   # on a GPU
    python -m benchmarks.study page                                           # docs/results.md, baselines.md
    python -m benchmarks.study check scenes default 10                        # a committed row, run again

DATA is a prepared set: artifacts/data/NAME of `dvc repro prepare`.
"""

import argparse
import sys
from pathlib import Path

from benchmarks.study.check import check
from benchmarks.study.settings import SETS, SETTINGS, Cell
from benchmarks.study.train import LARGEST_STACK, Plan, train_all
from pipeline import exits


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.study",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    verbs = parser.add_subparsers(dest="verb", required=True)
    training = verbs.add_parser("train")
    training.add_argument("sets", nargs="+", metavar="SET=DATA", help=f"SET: {', '.join(SETS)}")
    training.add_argument("--jobs", type=int, default=8, help="stacks that train side by side")
    training.add_argument("--stack", type=int, default=LARGEST_STACK, help="most runs in one; CPU: 1")
    training.add_argument("--precision", choices=("fp32", "bf16"), default="fp32")
    training.add_argument("--only", nargs="+", choices=SETTINGS, default=[], help="settings; default: all")
    training.add_argument("--minutes", type=float, default=1e6, help="after which it stops")
    verbs.add_parser("page")
    checking = verbs.add_parser("check")
    checking.add_argument("set", choices=SETS)
    checking.add_argument("setting")
    checking.add_argument("seed", type=int)
    checking.add_argument("--data", type=Path, metavar="DIR", help="a prepared set; default: made now")
    checking.add_argument("--root", type=Path, metavar="DIR", help="images of CIFAR; default: downloaded")
    arguments = parser.parse_args()
    if arguments.verb == "train":
        sets = {name: Path(data) for name, data in (pair.split("=", 1) for pair in arguments.sets)}
        plan = Plan(
            *(arguments.jobs, arguments.stack, arguments.minutes, arguments.precision, arguments.only)
        )
        train_all(sets, plan)
    elif arguments.verb == "check":
        cell = Cell(arguments.setting, arguments.seed)
        return check(arguments.set, arguments.data, arguments.root, cell)
    else:
        from benchmarks.study.page import write

        write()
    return 0


if __name__ == "__main__":
    sys.exit(exits.run(main, "the same command continues"))
