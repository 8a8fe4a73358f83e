"""The study of docs/study.md: every method at a setting that validation chose, on four sets.

    python -m benchmarks.study train scenes=DATA cifar100=DATA cifar10=DATA   # on a GPU
    python -m benchmarks.study page                                           # docs/results.md, baselines.md
    python -m benchmarks.study check scenes default 10                        # a committed row, run again

DATA is a prepared set: artifacts/data/NAME of `dvc repro prepare`. Runs that differ in seed and lambda alone
train as one stack (pipeline.pretrain.parallel.together), and stacks train side by side. Their rows are in
benchmarks/results/studies/study-SET.csv. What has a row there, or in the earlier tuning-SET.csv, is not
trained again.
"""

import argparse
import multiprocessing
import sys
import tempfile
import time
from functools import cache
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from benchmarks.common import STUDIES
from benchmarks.plan import BASELINE, CHOSEN_ON, FRESH, METHODS, PARTS, PHOTOGRAPH_SETS, RIVALS
from benchmarks.settings import SETS, SETTINGS, Cell, settings_of
from benchmarks.stacks import TRANSFER, Job, train, train_in_process
from benchmarks.tuning import TUNING, tuned
from pipeline import exits
from pipeline.files import InputError, atomic_file
from pipeline.prepare.sources import open_source, requests
from pipeline.prepare.write import write_set
from pipeline.pretrain.parallel.alike import kind

LARGEST_STACK = 12
STATES = Path("runs/study")
ROUNDING = 1.0  # points by which the linear probe of one run may differ between machines


def read(dataset: str) -> pd.DataFrame:
    """The rows of a set. Of a run in both tables the earlier numbers stay: pairs are of one machine."""
    paths = [STUDIES / f"{name}-{dataset}.csv" for name in ("tuning", "study")]
    return _joined(tuple((path, path.stat().st_mtime_ns) for path in paths if path.exists())).copy()


@cache
def _joined(tables: tuple[tuple[Path, int], ...]) -> pd.DataFrame:
    """tables: each path and when it last changed. Kept, since a page reads them hundreds of times."""
    rows = pd.DataFrame({"setting": [], "seed": [], "validation": []}).set_index(["setting", "seed"])
    for path, _ in tables:
        rows = rows.combine_first(pd.read_csv(path).set_index(["setting", "seed"]))
    return rows.reset_index()


def chosen(method: str, rows: pd.DataFrame) -> str | None:
    """The setting of a method that is best on validation of the tuning seeds, of those that have rows.

    rows: of the set that the choice is made on. None where no setting has any.
    """
    if len(METHODS[method]) == 1:
        return METHODS[method][0]
    scores = {name: tuned(rows[rows["setting"] == name]) for name in METHODS[method]}
    scores = {name: score for name, score in scores.items() if pd.notna(score)}
    return max(scores, key=lambda name: scores[name]) if scores else None


def to_tune(method: str, dataset: str) -> tuple[str, ...]:
    """The settings of a method that run on the tuning seeds of a set. Of a rival all are tried on scenes, and
    the one that scenes chose on CIFAR-100."""
    if CHOSEN_ON[dataset] != dataset:
        return ()
    settled = method in RIVALS and dataset != "scenes" and chosen(method, read("scenes"))
    return (settled,) if settled else METHODS[method]


def ends_early(method: str, rows: pd.DataFrame) -> bool:
    """Whether a rival reads less than the dense twin on the validation images of every tuning seed."""
    rival, twin = (chosen(name, rows) for name in (method, BASELINE))
    if method not in RIVALS or rival is None or twin is None:
        return False
    scores = rows.set_index(["setting", "seed"])["validation"]
    if not all((name, seed) in scores.index for name in (rival, twin) for seed in TUNING):
        return False
    return bool((scores[rival].loc[list(TUNING)] < scores[twin].loc[list(TUNING)]).all())


def missing(dataset: str) -> list[Cell]:
    """The runs without a row: those of the tuning seeds, then the chosen settings on the fresh seeds, then
    the dial of lambda, the ladder of predictors, the dense baselines and the longer runs."""
    rows, others = read(dataset), read(CHOSEN_ON[dataset])
    choices = [chosen(method, others) for method in METHODS if not ends_early(method, others)]
    cells = [
        *(Cell(name, seed) for method in METHODS for name in to_tune(method, dataset) for seed in TUNING),
        *(Cell(name, seed) for name in choices if name for seed in FRESH),
        *(
            Cell(name, seed)
            for part in PARTS
            if dataset in part.sets
            for seed in part.seeds
            for name in part.settings
        ),
    ]
    done = set(zip(rows["setting"], rows["seed"].astype(int), strict=True))
    return [cell for cell in dict.fromkeys(cells) if cell not in done]


def stacks(dataset: str, cells: list[Cell], largest: int = LARGEST_STACK) -> list[list[Cell]]:
    """The cells that differ in seed and lambda alone, together."""
    if largest == 1:
        return [[cell] for cell in cells]
    together: dict[str | None, list[Cell]] = {}
    for cell in cells:
        together.setdefault(kind(settings_of(dataset, *cell)), []).append(cell)
    return [
        members[first : first + largest]
        for members in together.values()
        for first in range(0, len(members), largest)
    ]


class Plan(NamedTuple):
    """What to train of what is missing, and how: `jobs` stacks at a time, of `stack` runs at most.

    only: settings; empty: all.
    """

    jobs: int
    stack: int
    minutes: float
    precision: str
    only: list[str]


def train_all(sets: dict[str, Path], plan: Plan) -> None:
    """Train what has no rows yet; rows are written as their stack ends.

    After `minutes` what still trains is stopped, and the next call goes on from its last state, in STATES.
    Encoders of photographs are probed on those of TRANSFER that are among the sets.
    """
    end = time.monotonic() + 60 * plan.minutes
    wanted = {
        name: [cell for cell in missing(name) if not plan.only or cell.setting in plan.only] for name in sets
    }
    waiting = [(name, stack) for name in sets for stack in stacks(name, wanted[name], plan.stack)]
    running: dict[BaseProcess, Job] = {}
    context = multiprocessing.get_context("spawn")
    with tempfile.TemporaryDirectory() as folder:
        while (waiting or running) and time.monotonic() < end:
            while waiting and len(running) < plan.jobs:
                dataset, stack = waiting.pop(0)
                rows = Path(folder) / f"{dataset}-{len(waiting)}.csv"
                others = {
                    name: sets[name] for name in TRANSFER if name in sets and dataset in PHOTOGRAPH_SETS
                }
                job = Job(dataset, stack, sets[dataset], rows, STATES, plan.precision, others)
                process = context.Process(target=train_in_process, args=(job,))
                process.start()
                running[process] = job
            for process in [process for process in running if not process.is_alive()]:
                keep(running.pop(process))
            time.sleep(0.2)
        for process in running:
            process.terminate()


def keep(job: Job) -> None:
    """Add the rows of a stack that has ended to the table of its set."""
    first = job.cells[0]
    if not job.rows.exists():
        print(f"{job.dataset}: {first.setting} failed", flush=True)
        return
    table = STUDIES / f"study-{job.dataset}.csv"
    rows = [pd.read_csv(path) for path in (table, job.rows) if path.exists()]
    with atomic_file(table) as temporary:
        pd.concat(rows).to_csv(temporary, index=False)
    print(f"{job.dataset}: {first.setting}, {len(job.cells)} runs", flush=True)


def check(dataset: str, data: Path | None, root: Path | None, cell: Cell) -> int:
    """Train the run of a committed row again; the result of `compare`.

    data: the prepared set; None: it is prepared from `root`, as data.root of the params. Raises InputError
    where there is no such row, and where the set cannot be had.
    """
    rows = read(dataset).set_index(["setting", "seed"])
    if cell not in rows.index:
        raise InputError(f"{dataset}: no row of {cell.setting}, seed {cell.seed}")
    precision = "bf16" if rows.loc[cell].get("precision") == "bf16" else "fp32"
    with tempfile.TemporaryDirectory() as folder:
        data = data or prepare(dataset, root, Path(folder))
        job = Job(dataset, [cell], data, Path(folder) / "row.csv", Path(folder) / "states", precision)
        train(job)
        return compare(rows.loc[cell], pd.read_csv(job.rows).iloc[0])


def compare(committed: pd.Series, again: pd.Series) -> int:
    """Print both and their difference; 1 where the linear probe is off by ROUNDING, else 0."""
    both = pd.DataFrame({"committed": committed, "here": again.reindex(committed.index)})
    both = both.drop(["setting", "seed", "precision"], errors="ignore").dropna()
    both["difference"] = both["here"] - both["committed"]
    print(both.to_string(float_format="{:.2f}".format))
    off = abs(both.loc["linear", "difference"])
    print(f"linear probe: {off:.2f} points off; other hardware alone moves it by up to {ROUNDING}")
    return int(off > ROUNDING)


def prepare(dataset: str, root: Path | None, folder: Path) -> Path:
    """The set as the stage `prepare` writes it, in `folder`."""
    params = settings_of(dataset, "default", 0)
    data = params.data.model_copy(update={"root": root})
    [request] = requests(params.model_copy(update={"data": data}), Path.cwd())
    write_set(folder / dataset, request, open_source(request), params.runtime)
    return folder / dataset


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
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
        from benchmarks.study_page import write

        write()
    return 0


if __name__ == "__main__":
    sys.exit(exits.run(main, "the same command continues"))
