"""Training of what the plan still lacks.

Runs that differ in seed and lambda alone train as one stack (pipeline.pretrain.parallel.together), and stacks
train side by side.
"""

import multiprocessing
import tempfile
import time
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from benchmarks.common import STUDIES
from benchmarks.study.plan import PHOTOGRAPH_SETS
from benchmarks.study.results import missing
from benchmarks.study.settings import Cell, settings_of
from benchmarks.study.stacks import TRANSFER, Job, train_in_process
from pipeline.files import atomic_file
from pipeline.pretrain.parallel.alike import kind

LARGEST_STACK = 12
STATES = Path("runs/study")


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
