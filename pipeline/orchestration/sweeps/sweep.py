"""A sweep: its cells, which of them are done, and the jobs that do the rest. Nothing here knows Prefect."""

import math
import shlex
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from pipeline.files import InputError
from pipeline.layout import SWEEPS
from pipeline.orchestration.processes import devices
from pipeline.orchestration.sweeps import page as sweep_page
from pipeline.orchestration.sweeps import results, workspaces
from pipeline.orchestration.sweeps.console import Console
from pipeline.orchestration.sweeps.grid import Cell, Grid, plan_cells, split_together
from pipeline.orchestration.sweeps.job import Job, Outcome, Site, remote_site
from pipeline.orchestration.sweeps.results import Row
from pipeline.orchestration.sweeps.study import Study, Trial

FOLDER = Path(".sweeps")
RUNNERS = ("threads", "dask", "ray", "slurm")


@dataclass(frozen=True)
class Request:
    """What was asked for. jobs: 0 lets the machine decide. git, remote: for cells on other machines.
    together: cells to pretrain in one process, at most. optuna: how many trials Optuna chooses by objective;
    0: all cells of the grid. cluster: options of the Slurm jobs, each key=value.
    """

    name: str
    grid: Grid
    jobs: int
    runner: str
    address: str | None
    git: str | None
    remote: str | None
    together: int = 0
    optuna: int = 0
    objective: str | None = None
    cluster: tuple[str, ...] = ()


@dataclass
class Sweep:
    """The cells of a request at a commit, and what is known of each.

    done: name of a cell -> commit of its experiment. outcomes: of the jobs that ended here. study: the search
    that chooses the cells, where Optuna does; cells are then those of its trials so far.
    """

    request: Request
    root: Path
    commit: str
    cells: list[Cell]
    done: dict[str, str] = field(default_factory=dict)
    outcomes: dict[str, Outcome] = field(default_factory=dict)
    study: Study | None = None

    def finished(self) -> bool:
        """Whether there is nothing left to run."""
        return not self.waiting() and (self.study is None or self.study.over())

    def waiting(self) -> list[Cell]:
        """The cells that are not done."""
        return [cell for cell in self.cells if cell.name not in self.done]

    def refresh(self) -> None:
        """See which experiments have come in."""
        names = [cell.name for cell in self.waiting()]
        if self.request.git:
            workspaces.fetch(self.root, self.request.git, names)
        self.done = self.done | workspaces.experiments(self.root, names, self.commit)

    def rows(self) -> list[Row]:
        return [self.row(cell) for cell in self.cells]

    def row(self, cell: Cell) -> Row:
        outcome = self.outcomes.get(cell.name)
        state = "done" if cell.name in self.done else outcome.state if outcome else "waiting"
        reason = f"{outcome.reason} (log: {self._log(outcome)})" if outcome and outcome.reason else ""
        return results.read_row(self.root, cell, self.done.get(cell.name), state, reason)

    def _log(self, outcome: Outcome) -> str:
        """The log's path, from the project's folder where it lies in it."""
        log = Path(outcome.log)
        return str(log.relative_to(self.root) if log.is_relative_to(self.root) else log)

    def write_tables(self) -> list[Path]:
        """Write reports/sweeps/NAME.*; returns the paths: html, md, csv, svg."""
        command = command_line(self.request)
        notes = [self.study.summary()] if self.study else []
        return sweep_page.write(
            self.root / SWEEPS, self.request.name, command, self.commit, self.rows(), notes
        )


RunJobs = Callable[[list[Job], Callable[[Outcome], None], Console], None]  # calls the second for each outcome


def open_sweep(request: Request, root: Path) -> Sweep:
    """Plan the cells, see which are done. Raises InputError for a dirty tree, ParamsError for a bad cell."""
    if request.jobs < 0:
        raise InputError(f"--jobs: must be at least 1, or 0 to let the machine decide, got {request.jobs}")
    if request.together and request.runner != "threads":
        raise InputError(f"--together: needs --runner threads, got {request.runner}")
    if request.together < 0 or request.together == 1:
        raise InputError(f"--together: must be at least 2, or 0 for none, got {request.together}")
    _check_search(request)
    commit = workspaces.require_clean(root)
    if request.optuna and request.objective:
        folder, code = root / FOLDER / request.name, workspaces.code_digest(root, commit)
        study = Study(folder, request.name, request.grid, root, request.objective, request.optuna, code)
        sweep = Sweep(request, root, commit, [], study=study)
        _add_cells(sweep, study.known())
    else:
        sweep = Sweep(request, root, commit, plan_cells(request.name, request.grid, root))
    if request.git:
        workspaces.require_pushed(root, commit, request.git)
    sweep.refresh()
    return sweep


def _check_search(request: Request) -> None:
    """Raises InputError where flags of the search, or of Slurm, do not go together."""
    if request.optuna < 0:
        raise InputError(f"--optuna: must be at least 1, or 0 for a grid, got {request.optuna}")
    if request.optuna and not request.objective:
        raise InputError("--optuna: needs --objective, a number of reports/metrics/summary.json")
    for flag, given in (("--objective", request.objective), ("--range", request.grid.ranges)):
        if given and not request.optuna:
            raise InputError(f"{flag}: needs --optuna N")
    if request.cluster and request.runner != "slurm":
        raise InputError(f"--cluster: needs --runner slurm, got {request.runner}")


def _add_cells(sweep: Sweep, trials: list[Trial]) -> None:
    """The cells of the trials that the sweep does not have yet; trials may share one."""
    for trial in trials:
        names = {cell.name for cell in sweep.cells}
        sweep.cells += [cell for cell in trial.cells if cell.name not in names]


@contextmanager
def exclusive(sweep: Sweep) -> Iterator[None]:
    """Hold the sweep's lock. First end what a killed sweep of this name left, and remove its clones."""
    folder = sweep.root / FOLDER / sweep.request.name
    with workspaces.locked(folder / "lock", f"sweep {sweep.request.name} is running already"):
        ended = workspaces.discard(folder / "clones")
        if ended:
            print(f"sweep {sweep.request.name}: ended {ended} processes that a killed sweep had left")
        shutil.rmtree(folder / "shared", ignore_errors=True)
        yield


def run_cells(sweep: Sweep, run_jobs: RunJobs) -> None:
    """Run the cells that are not done: those of the grid, or those that Optuna chooses, a batch at a time."""
    if sweep.study is None:
        waiting = sweep.waiting()
        console = Console(sweep.request.name, len(sweep.cells), len(waiting), num_jobs(sweep.request))
        _run_batch(sweep, waiting, run_jobs, console)
    else:
        _run_trials(sweep, sweep.study, run_jobs)


def _run_trials(sweep: Sweep, study: Study, run_jobs: RunJobs) -> None:
    """Ask for as many trials as there are jobs, run them, tell what they measured, until all are done."""
    request = sweep.request
    seeds = len(study.seeds or [None])
    count = math.ceil(max(num_jobs(request), request.together) / seeds)
    total = study.trials * seeds
    console = Console(request.name, total, total - len(sweep.done), num_jobs(request))
    print(f"sweep {request.name}: {study.summary()}", flush=True)
    while batch := study.next(count):
        _add_cells(sweep, batch)
        sweep.refresh()
        cells = {cell.name: cell for trial in batch for cell in trial.cells if cell.name not in sweep.done}
        stopped = _run_batch(sweep, list(cells.values()), run_jobs, console)
        for trial in batch:
            revisions = [sweep.done.get(cell.name) for cell in trial.cells]
            runs = [results.read_experiment(sweep.root, revision) for revision in revisions if revision]
            if len(runs) == len(revisions):
                study.tell(trial, [study.objective.value(run) for run in runs])
        if stopped:
            break
    print(f"sweep {request.name}: {study.summary()}", flush=True)


def _run_batch(sweep: Sweep, cells: list[Cell], run_jobs: RunJobs, console: Console) -> bool:
    """Run cells, first pretraining together where that was asked for; returns whether it was stopped."""
    by_name = {cell.name: cell for cell in cells}
    stopped = False

    def cell_ended(outcome: Outcome) -> None:
        nonlocal stopped
        stopped = stopped or outcome.state == "stopped"
        sweep.outcomes[outcome.name] = outcome
        if outcome.state == "done":
            sweep.refresh()
        console.ended(sweep.row(by_name[outcome.name]), outcome)

    def pretraining_ended(outcome: Outcome) -> None:
        nonlocal stopped
        stopped = stopped or outcome.state == "stopped"
        console.pretrained(outcome)

    together = together_jobs(sweep, cells)
    if together:
        run_jobs(together, pretraining_ended, console)
    if cells and not stopped:
        run_jobs(cell_jobs(sweep, cells), cell_ended, console)
    return stopped


def finish(sweep: Sweep) -> int:
    """Write and name the tables; returns the exit status, 1 where a cell is not done."""
    paths = sweep.write_tables()
    missing = len(sweep.waiting())
    failed = sum(outcome.state == "failed" for outcome in sweep.outcomes.values())
    state = (
        "all done" if not missing else f"{missing} not done, {failed} of them failed; run it again to retry"
    )
    print(f"sweep {sweep.request.name}: {len(sweep.cells)} cells, {state}", flush=True)
    print(f"sweep {sweep.request.name}: {paths[0].relative_to(sweep.root)}, .md, .csv, .svg", flush=True)
    return 0 if sweep.finished() else 1


def num_jobs(request: Request) -> int:
    """How many jobs run at a time."""
    return request.jobs or devices.default_jobs(devices.gpus())


def cell_jobs(sweep: Sweep, cells: list[Cell]) -> list[Job]:
    """A job per cell."""
    request, root = sweep.request, sweep.root
    if request.git:
        site = remote_site(request.git, sweep.commit, request.remote)
    else:
        folder = root / FOLDER / request.name
        cache, runs = workspaces.cache_folder(root), root / "runs"
        site = Site(str(root), sweep.commit, folder, cache, runs, request.remote)
    return [Job(cell.name, cell.title, cell.overrides, cell.data_key, cell.twin_key, site) for cell in cells]


def together_jobs(sweep: Sweep, cells: list[Cell]) -> list[Job]:
    """Jobs that each pretrain several cells in one process, before the cells themselves run."""
    request = sweep.request
    if request.together < 2:
        return []
    jobs = []
    for number, members in enumerate(split_together(cells, request.together, num_jobs(request))):
        first = cell_jobs(sweep, members[:1])[0]
        title = f"pretraining of {len(members)} cells together"
        overrides = tuple(cell.overrides for cell in members)
        jobs.append(replace(first, name=f"together-{number}", title=title, together=overrides))
    return jobs


def command_line(request: Request) -> str:
    """The command that gives this sweep."""
    grid, words = request.grid, ["python -m pipeline sweep"]
    for flag, values in (("--lambda", grid.lambdas), ("--groups", grid.groups), ("--seeds", grid.seeds)):
        if values:
            words.append(f"{flag} {','.join(f'{value:g}' for value in values)}")
    words += [f"--grid {shlex.quote(text)}" for text in grid.more]
    words += [f"--range {text}" for text in grid.ranges]
    words += [f"--optuna {request.optuna} --objective {request.objective}"] if request.optuna else []
    words += [f"--set {text}" for text in grid.settings]
    words += [f"--preset {grid.preset}"] if grid.preset else []
    return " ".join([*words, f"--name {request.name}"])
