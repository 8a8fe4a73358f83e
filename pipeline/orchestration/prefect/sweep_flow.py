"""A sweep as a Prefect flow: a subflow per job, tables and figure as artifacts, cancelled from the page.

Importing this imports Prefect; server.connect has pointed it at a server before.
"""

import base64
import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from prefect import flow, tags, task
from prefect.artifacts import create_image_artifact, create_table_artifact
from prefect.client.schemas.objects import State
from prefect.futures import as_completed
from prefect.states import Cancelled, Completed, Failed

from pipeline import exits
from pipeline.files import InputError
from pipeline.layout import PAGE
from pipeline.orchestration import presets
from pipeline.orchestration.prefect.reporter import Reporter, artifact_key
from pipeline.orchestration.prefect.runners import runner
from pipeline.orchestration.prefect.watch import INTERRUPTED, beating, mark_crashed, run_id, watched
from pipeline.orchestration.processes import devices
from pipeline.orchestration.processes.stop import Stop
from pipeline.orchestration.processes.terminate import terminated
from pipeline.orchestration.sweeps import page as sweep_page
from pipeline.orchestration.sweeps import results
from pipeline.orchestration.sweeps.console import Console
from pipeline.orchestration.sweeps.grid import Grid
from pipeline.orchestration.sweeps.job import Job, Outcome, run_job
from pipeline.orchestration.sweeps.sweep import (
    Request,
    RunJobs,
    Sweep,
    command_line,
    exclusive,
    finish,
    num_jobs,
    open_sweep,
    run_cells,
)

if TYPE_CHECKING:
    Preset = str
else:
    Preset = Literal[tuple(presets.names())]  # a list to choose from in the form


class SweepHere:
    """What the jobs of a sweep in this process share: slots to compute in, the terminal, the sweep's end."""

    def __init__(self, slots: devices.SlotPool, console: Console) -> None:
        self.slots, self.console = slots, console
        self._over, self._stops = False, set[Stop]()

    @contextlib.contextmanager
    def ends(self, stop: Stop) -> Iterator[None]:
        """Within the block the end of the sweep requests the stop; after that end, at once."""
        self._stops.add(stop)
        if self._over:
            stop.request()
        try:
            yield
        finally:
            self._stops.discard(stop)

    def end(self) -> None:
        """Ask all jobs to save their state and to end."""
        self._over = True
        for stop in self._stops.copy():
            stop.request()


sweeps_here: dict[str, SweepHere] = {}  # flow run of a sweep in this process -> what its jobs share


@flow(name="sweep", flow_run_name="sweep {name}", validate_parameters=True)
def sweep_flow(
    name: str = "sweep",
    lambdas: list[float] = [],  # noqa: B006  (Prefect shows it in the form, nothing changes it)
    groups: list[int] = [],  # noqa: B006
    seeds: list[int] = [],  # noqa: B006
    settings: list[str] = [],  # noqa: B006
    preset: Preset | None = None,
    jobs: int = 0,
    runner: Literal["threads", "dask", "ray", "slurm"] = "threads",
    address: str | None = None,
    git: str | None = None,
    remote: str | None = None,
    together: int = 0,
    grid: list[str] = [],  # noqa: B006
    optuna: int = 0,
    objective: str | None = None,
    ranges: list[str] = [],  # noqa: B006
    cluster: list[str] = [],  # noqa: B006
) -> State[Any]:
    """Run every cell of lambda x groups x seeds x further axes that is not done yet.

    Args:
        name: begins the names of the experiments; the same name goes on with the same sweep
        lambdas: values of sparsity.lambda
        groups: values of sparsity.groups
        seeds: values of pretrain.seed
        settings: further params, each as section.key=value
        preset: a file of presets/ to start from
        jobs: cells at a time; 0: one per GPU, or one
        runner: threads of this machine, or a cluster
        address: of the Dask or Ray cluster; empty: one is started here
        git: repository that cells clone and push to; empty: this one
        remote: DVC remote through which machines share the cache
        together: cells to pretrain in one process, at most; for a GPU
        grid: further axes, each as section.key=a,b,c
        optuna: trials that Optuna chooses; 0: all cells
        objective: number of summary.json that Optuna goes by
        ranges: numbers that Optuna draws from, each as section.key=lo:hi or section.key=lo:hi:log
        cluster: options of Slurm jobs, each as key=value
    """
    swept = Grid(
        *(tuple(lambdas), tuple(groups), tuple(seeds), tuple(settings), preset, tuple(grid), tuple(ranges))
    )
    request = Request(
        *(name, swept, jobs, runner, address, git, remote, together, optuna, objective, tuple(cluster))
    )
    sweep, interrupted = open_sweep(request, Path.cwd()), False
    if not sweep.finished():
        with exclusive(sweep):
            mark_crashed(name, caller=run_id())
            try:
                with terminated(), _in_tasks(sweep) as run_jobs:
                    run_cells(sweep, run_jobs)
            except KeyboardInterrupt:
                interrupted = True
    status = finish(sweep)
    publish(sweep, sweep.write_tables())
    states = [outcome.state for outcome in sweep.outcomes.values()]
    message = f"{len(sweep.done)} of {len(sweep.cells)} cells done"
    if interrupted:
        return Cancelled(name=INTERRUPTED, message=message)
    if "stopped" in states:
        return Cancelled(message=message)
    return Failed(message=message) if status else Completed(message=message)


def run(request: Request) -> int:
    """The flow for the command line; its exit status. Raises KeyboardInterrupt where Ctrl-C ended it."""
    grid = request.grid
    state: State[Any] = sweep_flow(
        *(request.name, list(grid.lambdas), list(grid.groups), list(grid.seeds), list(grid.settings)),
        *(grid.preset, request.jobs, request.runner, request.address, request.git, request.remote),
        *(request.together, list(grid.more), request.optuna, request.objective, list(grid.ranges)),
        list(request.cluster),
        return_state=True,
    )
    if state.is_completed():
        return 0
    if state.name == INTERRUPTED:
        raise KeyboardInterrupt
    error = state.data if isinstance(state.data, BaseException) else None
    if isinstance(error, InputError):
        raise error
    if error is not None:  # a fault of ours or of the cluster; the traceback is in the flow's log
        return exits.fail(str(state.message))
    return 1


@task(task_run_name="{title}")
def job_task(title: str, job: Job, sweep_id: str, name: str, remote: bool) -> State[Any]:
    """Where the task runner puts it, run the job as a flow of its own."""
    with tags(f"sweep:{name}"):
        state: State[Any] = job_flow.with_options(flow_run_name=title)(
            *(job.overrides, job.name, job, sweep_id, name if remote else None), return_state=True
        )
    outcome = state.result(raise_on_failure=False)
    if not isinstance(outcome, Outcome):  # a fault of ours: the traceback is in the flow's log
        outcome = Outcome(job.name, "failed", 0.0, reason=f"{type(outcome).__name__}: {outcome}")
    return _state(outcome)


@flow(name="cell", validate_parameters=False)
def job_flow(
    params: dict[str, Any], experiment: str, job: Job, sweep_id: str, beat: str | None
) -> State[Any]:
    """One job: its params, its output line by line, its progress, its numbers."""
    here, stop = sweeps_here.get(sweep_id), Stop()
    with contextlib.ExitStack() as stack:
        slot = stack.enter_context(here.slots.take()) if here else {}
        if here:
            stack.enter_context(here.ends(stop))
        stack.enter_context(watched(stop, [sweep_id, run_id()], beat))
        if stop.event.is_set():
            return _state(Outcome(job.name, "stopped", 0.0, reason="cancelled before it began"))
        if here:
            here.console.started(job.title)
        outcome = run_job(job, slot, stop, Reporter(job.name))
        if outcome.headline:
            publish_cell(outcome)
        return _state(outcome)


def _state(outcome: Outcome) -> State[Any]:
    if outcome.state == "stopped":
        return Cancelled(message=outcome.reason, data=outcome)
    if outcome.state == "failed":
        return Failed(message=outcome.reason, data=outcome)
    return Completed(message=f"ran {', '.join(outcome.ran)}" if outcome.ran else "all cached", data=outcome)


@contextlib.contextmanager
def _in_tasks(sweep: Sweep) -> Iterator[RunJobs]:
    """Send jobs to the task runner, which is there while the block runs, and see them end."""
    request, sweep_id = sweep.request, run_id()
    remote, count = request.runner != "threads", num_jobs(request)
    started = runner(request, count)

    def run_jobs(jobs: list[Job], ended: Callable[[Outcome], None], console: Console) -> None:
        here = SweepHere(devices.SlotPool(devices.slots(count, devices.gpus(), devices.cores())), console)
        if not remote:
            sweeps_here[sweep_id] = here
        fixed = {"sweep_id": sweep_id, "name": request.name, "remote": remote}
        try:
            futures = [started.submit(job_task, {"title": job.title, "job": job} | fixed) for job in jobs]
            for future in as_completed(futures):
                ended(future.result(raise_on_failure=False))
                publish_table(sweep)
        finally:  # after Ctrl-C or SIGTERM some still run
            here.end()
            if not remote:
                sweeps_here.pop(sweep_id, None)

    with started, beating(request.name, remote):
        yield run_jobs


def publish_cell(outcome: Outcome) -> None:
    """What a cell measured, on its own page, and how to open its report."""
    numbers = outcome.headline
    create_table_artifact(
        key=artifact_key("cell", outcome.name),
        table=[{sweep_page.TITLES[name]: sweep_page.value(name, numbers[name]) for name in numbers}],
        description=f"Its report: `dvc exp apply {outcome.name}`, then open {PAGE}. Its log: {outcome.log}",
    )


def publish_table(sweep: Sweep) -> None:
    """All cells with their params and numbers, as they stand."""
    columns, rows = sweep_page.cells_table(sweep.rows())
    create_table_artifact(
        key=artifact_key("sweep", sweep.request.name),
        table=[dict(zip(columns, row, strict=True)) for row in rows],
        description=f"`{command_line(sweep.request)}`",
    )


def publish(sweep: Sweep, paths: list[Path]) -> None:
    """The tables as they are at the end, and the figure."""
    publish_table(sweep)
    cells = sweep.rows()
    columns, rows = sweep_page.settings_table(results.by_setting(cells), results.dense_twins(cells))
    create_table_artifact(
        key=artifact_key("settings", sweep.request.name),
        table=[dict(zip(columns, row, strict=True)) for row in rows],
        description=f"Mean ± standard deviation over seeds. {sweep_page.MEANINGS}",
    )
    figure = base64.b64encode(paths[-1].read_bytes()).decode()
    create_image_artifact(
        image_url=f"data:image/svg+xml;base64,{figure}",
        key=artifact_key("pareto", sweep.request.name),
        description="accuracy against the share of zero columns",
    )
