"""The study of docs/study.md: every method at settings chosen on validation, on fresh seeds and three sets.

    python -m benchmarks.study train scenes=DATA cifar100=DATA cifar10=DATA   # on a GPU
    python -m benchmarks.study page --note TEXT                               # docs/results.md

DATA is a prepared set: artifacts/data/NAME of `dvc repro prepare`. Runs that differ in seed and lambda alone
train as one stack (pipeline.pretrain.parallel.together); stacks train side by side. The rows of tuning seeds
are in tuning-SET.csv, those of fresh seeds in study-SET.csv.
"""

import argparse
import multiprocessing
import tempfile
import time
from pathlib import Path

import pandas as pd

from benchmarks.methods_report import STUDIES
from benchmarks.tuning import TUNING, Cell, Job, settings_of, train, tuned
from pipeline.files import atomic_file
from pipeline.pretrain.parallel.alike import kind

FRESH = (10, 11, 12, 13, 14)
# method -> the settings it is chosen from, on validation of the tuning seeds
METHODS: dict[str, tuple[str, ...]] = {
    "default": ("default",),
    "default, lambda 0": ("lambda0",),
    "SparseJEPA, tuned": ("default", "weight0.05", "weight0.2"),
    "no regulariser": ("twin-none",),
    "VICReg": ("twin", "twin-weight0.03", "twin-weight0.3"),
    "groups alone": ("groups-only",),
    "oi-VAE alone": ("oivae-only-0.02", "oivae-only", "oivae-only-0.1"),
    "oi-VAE alone, lambda 0": ("oivae-only-0",),
    "group lasso": ("group_lasso-0.3", "group_lasso-1", "group_lasso-3"),
    "RDMReg": ("rdmreg-0.03", "rdmreg-0.1", "rdmreg-0.3"),
    "SIGReg": ("twin-sigreg0.02", "twin-sigreg0.1"),
    "top-k groups": ("topk-4",),
    "groups and energies": ("energies",),
    "groups and group lasso": ("groups-group_lasso-0.1", "groups-group_lasso-0.3", "groups-group_lasso-1"),
    "groups of graded sizes": ("graded",),
}
TRIALS = ("groups and energies", "groups and group lasso", "groups of graded sizes")  # on scenes alone
DIAL = ("lambda0.01", "lambda0.02", "lambda0.1", "lambda0.3")  # beside the default and lambda 0, on CIFAR-10
DIAL_SEEDS = FRESH[:3]
LARGEST_STACK = 12
CHOSEN_ON = {"scenes": "scenes", "cifar100": "cifar100", "cifar10": "cifar100"}


def table(phase: str, dataset: str) -> Path:
    """The rows of a set; phase: tuning or study."""
    return STUDIES / f"{phase}-{dataset}.csv"


def read(phase: str, dataset: str) -> pd.DataFrame:
    path = table(phase, dataset)
    return pd.read_csv(path) if path.exists() else pd.DataFrame({"setting": [], "seed": []})


def chosen(method: str, dataset: str) -> str | None:
    """The setting of a method that is best on validation of the tuning seeds; None while rows lack."""
    settings = METHODS[method]
    if len(settings) == 1:
        return settings[0]
    rows = read("tuning", CHOSEN_ON[dataset])
    scores = {name: tuned(rows[rows["setting"] == name]) for name in settings}
    if any(pd.isna(score) for score in scores.values()):
        return None
    return max(settings, key=lambda name: scores[name])


def missing(phase: str, dataset: str) -> list[Cell]:
    """The runs of a phase that can be trained now and have no row, those of the first methods first."""
    if phase == "tuning":
        if CHOSEN_ON[dataset] != dataset:
            return []
        methods = [method for method in METHODS if dataset == "scenes" or method not in TRIALS]
        wanted = [name for method in methods if len(METHODS[method]) > 1 for name in METHODS[method]]
        seeds = TUNING
    else:
        methods = [method for method in METHODS if dataset == "scenes" or method not in TRIALS]
        wanted = [name for name in (chosen(method, dataset) for method in methods) if name]
        wanted += DIAL if dataset == "cifar10" else ()
        seeds = FRESH
    rows = read(phase, dataset)
    done = set(zip(rows["setting"], rows["seed"].astype(int), strict=True))
    cells = [Cell(name, seed) for name in dict.fromkeys(wanted) for seed in seeds]
    cells = [cell for cell in cells if cell.setting not in DIAL or cell.seed in DIAL_SEEDS]
    return [cell for cell in cells if cell not in done]


def stacks(dataset: str, cells: list[Cell]) -> list[list[Cell]]:
    """The cells that differ in seed and lambda alone, together."""
    together: dict[str | None, list[Cell]] = {}
    for cell in cells:
        together.setdefault(kind(settings_of(dataset, *cell)), []).append(cell)
    return [
        members[first : first + LARGEST_STACK]
        for members in together.values()
        for first in range(0, len(members), LARGEST_STACK)
    ]


def train_all(sets: dict[str, Path], jobs: int, minutes: float, phases: tuple[str, ...]) -> None:
    """Train what has no rows yet, `jobs` stacks at a time; rows are written as their stack ends.

    After `minutes` what still trains is stopped.
    """
    end = time.monotonic() + 60 * minutes
    running: dict[multiprocessing.process.BaseProcess, tuple[str, Job]] = {}
    begun: set[tuple[str, str, Cell]] = set()
    context = multiprocessing.get_context("spawn")
    with tempfile.TemporaryDirectory() as folder:
        while time.monotonic() < end:
            for process in [process for process in running if not process.is_alive()]:
                phase, job = running.pop(process)
                if job.rows.exists():
                    rows = pd.concat([read(phase, job.dataset), pd.read_csv(job.rows)])
                    with atomic_file(table(phase, job.dataset)) as temporary:
                        rows.to_csv(temporary, index=False)
                print(f"{phase} {job.dataset}: {job.cells[0].setting}, {len(job.cells)} runs", flush=True)
            waiting = [
                (phase, dataset, stack)
                for phase in phases
                for dataset, data in sets.items()
                if data.exists()
                for stack in stacks(
                    dataset, [cell for cell in missing(phase, dataset) if (phase, dataset, cell) not in begun]
                )
            ]
            if not waiting and not running and all(data.exists() for data in sets.values()):
                return
            for phase, dataset, stack in waiting[: jobs - len(running)]:
                rows = Path(folder) / f"{len(begun)}.csv"
                job = Job(dataset, stack, sets[dataset], rows, thorough=phase == "study")
                process = context.Process(target=train, args=(job,))
                process.start()
                running[process] = (phase, job)
                begun |= {(phase, dataset, cell) for cell in stack}
            time.sleep(0.5)
        for process in running:
            process.terminate()


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    verbs = parser.add_subparsers(dest="verb", required=True)
    training = verbs.add_parser("train")
    training.add_argument("sets", nargs="+", metavar="SET=DATA")
    training.add_argument("--jobs", type=int, default=8, help="stacks that train side by side")
    training.add_argument("--minutes", type=float, default=1e6, help="after which it stops")
    training.add_argument("--phases", nargs="+", default=["tuning", "study"])
    arguments = parser.parse_args()
    sets = {name: Path(data) for name, data in (pair.split("=", 1) for pair in arguments.sets)}
    train_all(sets, arguments.jobs, arguments.minutes, tuple(arguments.phases))


if __name__ == "__main__":
    main()
