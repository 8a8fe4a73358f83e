"""`python -m pipeline sweep`: a grid of experiments; the same command again does what is left."""

import argparse
import shutil
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from pipeline.files import InputError
from pipeline.orchestration.processes.terminate import terminated
from pipeline.orchestration.sweeps import cell, devices, results, workspaces
from pipeline.orchestration.sweeps import page as sweep_page
from pipeline.orchestration.sweeps.cell import Job, Outcome, Site, Stop
from pipeline.orchestration.sweeps.cells import Cell, Grid, packs, plan
from pipeline.orchestration.sweeps.console import Console
from pipeline.orchestration.sweeps.results import Row

FOLDER = Path(".sweeps")
RUNNERS = ("threads", "dask", "ray")


@dataclass(frozen=True)
class Request:
    """What was asked for. jobs: 0 lets the machine decide. git, remote: for cells on other machines.
    together: cells to pretrain in one process, at most.
    """

    name: str
    grid: Grid
    jobs: int
    runner: str
    address: str | None
    git: str | None
    remote: str | None
    together: int = 0


@dataclass
class Survey:
    """The cells of a request at a commit, and what is known of each."""

    request: Request
    root: Path
    commit: str
    cells: list[Cell]
    done: dict[str, str]  # name -> commit of the experiment
    outcomes: dict[str, Outcome] = field(default_factory=dict)

    def open(self) -> list[Cell]:
        return [one for one in self.cells if one.name not in self.done]

    def look(self) -> None:
        """See which experiments have come in."""
        names = [one.name for one in self.open()]
        if self.request.git:
            workspaces.fetch(self.root, self.request.git, names)
        self.done = self.done | workspaces.experiments(self.root, names, self.commit)

    def rows(self) -> list[Row]:
        return [self.row(one) for one in self.cells]

    def row(self, one: Cell) -> Row:
        outcome = self.outcomes.get(one.name)
        state = "done" if one.name in self.done else outcome.state if outcome else "waiting"
        reason = f"{outcome.reason} (log: {self.place(outcome)})" if outcome and outcome.reason else ""
        return results.row(self.root, one, self.done.get(one.name), state, reason)

    def place(self, outcome: Outcome) -> str:
        """Of the log, seen from the project."""
        log = Path(outcome.log)
        return str(log.relative_to(self.root) if log.is_relative_to(self.root) else log)

    def write(self) -> list[Path]:
        command = command_line(self.request)
        return sweep_page.write(
            self.root / "reports/sweeps", self.request.name, command, self.commit, self.rows()
        )


Launch = Callable[[list[Job], Callable[[Outcome], None], Console], None]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--lambda", dest="lambdas", type=_list(float), default=(), metavar="0,0.01,0.1")
    parser.add_argument("--groups", type=_list(int), default=(), metavar="4,8,16")
    parser.add_argument("--seeds", type=_list(int), default=(), metavar="0,1,2")
    parser.add_argument("--set", dest="settings", action="append", default=[], metavar="section.key=value")
    parser.add_argument("--preset", help="a file of presets/ without .yaml")
    parser.add_argument("--name", default="sweep", help="of the sweep; begins the experiments' names")
    parser.add_argument("--jobs", type=int, default=0, help="cells at a time; more than GPUs share them")
    parser.add_argument(
        "--together",
        type=int,
        default=0,
        metavar="N",
        help="pretrain up to N cells in one process, for a GPU",
    )
    parser.add_argument("--runner", choices=RUNNERS, default="threads")
    parser.add_argument("--address", help="dask, ray: of the cluster; without it one is started here")
    parser.add_argument("--git", metavar="URL", help="what cells clone and push to; default: this repository")
    parser.add_argument("--remote", metavar="NAME", help="DVC remote through which machines share the cache")
    parser.add_argument("--dry-run", action="store_true", help="print the cells and which are done")


def main(arguments: argparse.Namespace) -> int:
    grid = Grid(
        arguments.lambdas, arguments.groups, arguments.seeds, tuple(arguments.settings), arguments.preset
    )
    request = Request(
        *(arguments.name, grid, arguments.jobs, arguments.runner, arguments.address),
        *(arguments.git, arguments.remote, arguments.together),
    )
    root = Path.cwd()
    found = survey(request, root)
    if arguments.dry_run:
        for one in found.cells:
            print(f"{'done   ' if one.name in found.done else 'to run '} {one.title}  {one.name}")
        print(f"sweep {request.name}: {len(found.cells)} cells, {len(found.open())} to run")
        return 0
    if not found.open():
        return conclude(found)
    from pipeline.orchestration.prefect import dashboard

    if dashboard.connect(root) is not None:
        from pipeline.orchestration.prefect import sweep_flow

        return sweep_flow.run(request)
    if request.runner != "threads":
        raise InputError(
            f"--runner {request.runner}: needs the dashboard, at an address that its workers reach"
        )
    with held(found), terminated():
        conduct(found, threads(request, jobs_of(request)))
    return conclude(found)


def survey(request: Request, root: Path) -> Survey:
    """Plan the cells, see which are done. Raises InputError for a dirty tree, ParamsError for a bad cell."""
    if request.together and request.runner != "threads":
        raise InputError(f"--together: needs --runner threads, got {request.runner}")
    if request.together < 0 or request.together == 1:
        raise InputError(f"--together: must be at least 2, or 0 for none, got {request.together}")
    commit = workspaces.require_clean(root)
    found = Survey(request, root, commit, plan(request.name, request.grid, root), {})
    if request.git:
        workspaces.require_pushed(root, commit, request.git)
    found.look()
    return found


@contextmanager
def held(found: Survey) -> Iterator[None]:
    """The sweep's lock, and a clean slate: what a killed sweep left is ended, its clones are removed."""
    folder = found.root / FOLDER / found.request.name
    with workspaces.locked(folder / "lock", f"sweep {found.request.name} is running already"):
        ended = workspaces.discard(folder / "clones")
        if ended:
            print(f"sweep {found.request.name}: ended {ended} processes that a killed sweep had left")
        shutil.rmtree(folder / "prepared", ignore_errors=True)
        yield


def conduct(found: Survey, launch: Launch) -> None:
    """Run the open cells; the tables are written at the end, also after Ctrl-C."""
    request, waiting = found.request, found.open()
    console = Console(request.name, len(found.cells), len(waiting), jobs_of(request))
    by_name = {one.name: one for one in waiting}

    def ended(outcome: Outcome) -> None:
        found.outcomes[outcome.name] = outcome
        if outcome.state == "done":
            found.look()
        console.ended(found.row(by_name[outcome.name]), outcome)

    stopped = False

    def trained(outcome: Outcome) -> None:
        nonlocal stopped
        stopped = stopped or outcome.state == "stopped"
        console.trained(outcome)

    together = packed(found, waiting)
    if together:
        launch(together, trained, console)
    if not stopped:
        launch(jobs(found, waiting), ended, console)


def conclude(found: Survey) -> int:
    """Write and name the tables; 1 where a cell is not done."""
    paths = found.write()
    missing = len(found.open())
    failed = sum(outcome.state == "failed" for outcome in found.outcomes.values())
    state = (
        "all done" if not missing else f"{missing} not done, {failed} of them failed; run it again to retry"
    )
    print(f"sweep {found.request.name}: {len(found.cells)} cells, {state}", flush=True)
    print(f"sweep {found.request.name}: {paths[0].relative_to(found.root)}, .md, .csv, .svg", flush=True)
    return 1 if missing else 0


def jobs_of(request: Request) -> int:
    return request.jobs or devices.default_jobs(devices.gpus())


def jobs(found: Survey, cells: list[Cell]) -> list[Job]:
    """What to send to the runner."""
    request, root = found.request, found.root
    if request.git:
        site = cell.remote_site(request.git, found.commit, request.remote)
    else:
        folder = root / FOLDER / request.name
        cache, runs = workspaces.cache_folder(root), root / "runs"
        site = Site(str(root), found.commit, folder, cache, runs, request.remote)
    return [Job(one.name, one.title, one.overrides, one.data_key, site) for one in cells]


def packed(found: Survey, cells: list[Cell]) -> list[Job]:
    """What to pretrain before the cells themselves run: jobs of several cells each."""
    request = found.request
    if request.together < 2:
        return []
    made = []
    for at, pack in enumerate(packs(cells, request.together, jobs_of(request))):
        title = f"pretraining of {len(pack)} cells together"
        first = jobs(found, pack[:1])[0]
        members = tuple(one.overrides for one in pack)
        made.append(replace(first, name=f"together-{at}", title=title, together=members))
    return made


def threads(request: Request, count: int) -> Launch:
    """Cells in threads of this process, without Prefect."""
    pool = devices.Pool(devices.places(count, devices.gpus(), devices.cores()))

    def launch(todo: list[Job], ended: Callable[[Outcome], None], console: Console) -> None:
        stop = Stop()

        def one(job: Job) -> Outcome:
            if stop.event.is_set():
                return Outcome(job.name, "stopped", 0.0, reason="stopped before it began")
            with pool.place() as place:
                console.started(job.title)
                return cell.run(job, place, stop, lambda *_: None)

        with ThreadPoolExecutor(count) as executor:
            try:
                for future in as_completed([executor.submit(one, job) for job in todo]):
                    ended(future.result())
            finally:  # after Ctrl-C: the cells save their state and end
                stop.request()

    return launch


def command_line(request: Request) -> str:
    """The command that gives this sweep."""
    grid, words = request.grid, ["python -m pipeline sweep"]
    for flag, values in (("--lambda", grid.lambdas), ("--groups", grid.groups), ("--seeds", grid.seeds)):
        if values:
            words.append(f"{flag} {','.join(f'{value:g}' for value in values)}")
    words += [f"--set {text}" for text in grid.settings]
    words += [f"--preset {grid.preset}"] if grid.preset else []
    return " ".join([*words, f"--name {request.name}"])


def _list(kind: type) -> Callable[[str], tuple]:
    def parse(text: str) -> tuple:
        return tuple(kind(part) for part in text.split(",") if part.strip())

    parse.__name__ = f"list of {kind.__name__}"
    return parse
