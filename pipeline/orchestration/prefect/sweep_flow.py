"""A sweep as a Prefect flow: a subflow per cell, tables and figure as artifacts, cancelled from the page.

Importing this imports Prefect; dashboard.connect has pointed it at a server before.
"""

import base64
import contextlib
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Literal

from prefect import flow, tags, task
from prefect.artifacts import create_image_artifact, create_table_artifact
from prefect.client.schemas.objects import State
from prefect.futures import as_completed
from prefect.states import Cancelled, Completed, Failed

from pipeline.files import InputError
from pipeline.orchestration.prefect.reporter import Reporter, artifact_key
from pipeline.orchestration.prefect.runners import runner
from pipeline.orchestration.prefect.watch import beating, run_id, watched, write_off
from pipeline.orchestration.sweeps import cell, devices, results, sweep
from pipeline.orchestration.sweeps import page as sweep_page
from pipeline.orchestration.sweeps.cell import Job, Outcome, Stop
from pipeline.orchestration.sweeps.cells import Grid
from pipeline.orchestration.sweeps.console import Console
from pipeline.orchestration.sweeps.sweep import Request, Survey

Preset = Literal["smoke", "default", "cifar10-folder", "paper-cifar100", "cifar100-strong"]


class Local:
    """What the cells of a sweep in this process share: places to compute, the terminal, the sweep's end."""

    def __init__(self, pool: devices.Pool, console: Console) -> None:
        self.pool, self.console = pool, console
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
        """Ask all cells to save their state and to end."""
        self._over = True
        for stop in self._stops.copy():
            stop.request()


here: dict[str, Local] = {}  # flow run of a sweep in this process -> what its cells share


@flow(name="sweep", flow_run_name="sweep {name}", validate_parameters=True)
def sweep_flow(
    name: str = "sweep",
    lambdas: list[float] = [],  # noqa: B006  (Prefect shows it in the form, nothing changes it)
    groups: list[int] = [],  # noqa: B006
    seeds: list[int] = [],  # noqa: B006
    settings: list[str] = [],  # noqa: B006
    preset: Preset | None = None,
    jobs: int = 0,
    runner: Literal["threads", "dask", "ray"] = "threads",
    address: str | None = None,
    git: str | None = None,
    remote: str | None = None,
    together: int = 0,
) -> State[Any]:
    """Run every cell of lambda x groups x seeds that is not done yet.

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
    """
    grid = Grid(tuple(lambdas), tuple(groups), tuple(seeds), tuple(settings), preset)
    request = Request(name, grid, jobs, runner, address, git, remote, together)
    found = sweep.survey(request, Path.cwd())
    if found.open():
        with sweep.held(found):
            write_off(name, own=run_id())
            sweep.conduct(found, _launch(found))
    code = sweep.conclude(found)
    publish(found, found.write())
    states = [outcome.state for outcome in found.outcomes.values()]
    message = f"{len(found.done)} of {len(found.cells)} cells done"
    if "stopped" in states:
        return Cancelled(message=message)
    return Failed(message=message) if code else Completed(message=message)


def run(request: Request) -> int:
    """The flow for the command line; its exit status."""
    grid = request.grid
    state: State[Any] = sweep_flow(
        *(request.name, list(grid.lambdas), list(grid.groups), list(grid.seeds), list(grid.settings)),
        *(grid.preset, request.jobs, request.runner, request.address, request.git, request.remote),
        request.together,
        return_state=True,
    )
    if state.is_completed():
        return 0
    error = state.data if isinstance(state.data, BaseException) else None
    if isinstance(error, InputError):
        raise error
    if error is not None:  # a fault of ours or of the cluster; the traceback is in the flow's log
        print(f"error: {state.message}", file=sys.stderr)
    return 1


@task(task_run_name="{title}")
def place_cell(title: str, job: Job, sweep_id: str, name: str, remote: bool) -> State[Any]:
    """Where the task runner puts it, run the cell as a flow of its own."""
    with tags(f"sweep:{name}"):
        state: State[Any] = cell_flow.with_options(flow_run_name=title)(
            *(job.overrides, job.name, job, sweep_id, name if remote else None), return_state=True
        )
    found = state.result(raise_on_failure=False)
    if not isinstance(found, Outcome):  # a fault of ours, not of the cell: the traceback is in the flow's log
        found = Outcome(job.name, "failed", 0.0, reason=f"{type(found).__name__}: {found}")
    return _state(found)


@flow(name="cell", validate_parameters=False)
def cell_flow(
    params: dict[str, Any], experiment: str, job: Job, sweep_id: str, beat: str | None
) -> State[Any]:
    """One cell: its params, its output line by line, its progress, its numbers."""
    local, stop = here.get(sweep_id), Stop()
    with contextlib.ExitStack() as stack:
        place = stack.enter_context(local.pool.place()) if local else {}
        if local:
            stack.enter_context(local.ends(stop))
        stack.enter_context(watched(stop, [sweep_id, run_id()], beat))
        if stop.event.is_set():
            return _state(Outcome(job.name, "stopped", 0.0, reason="cancelled before it began"))
        if local:
            local.console.started(job.title)
        return _state(cell.run(job, place, stop, Reporter(job.name).line))


def _state(outcome: Outcome) -> State[Any]:
    if outcome.state == "stopped":
        return Cancelled(message=outcome.reason, data=outcome)
    if outcome.state == "failed":
        return Failed(message=outcome.reason, data=outcome)
    return Completed(message=f"ran {', '.join(outcome.ran)}" if outcome.ran else "all cached", data=outcome)


def _launch(found: Survey) -> sweep.Launch:
    """Send jobs to the task runner and see them end, whatever the runner."""
    request, sweep_id = found.request, run_id()
    remote, count = request.runner != "threads", sweep.jobs_of(request)

    def launch(todo: list[Job], ended: Callable[[Outcome], None], console: Console) -> None:
        local = Local(devices.Pool(devices.places(count, devices.gpus(), devices.cores())), console)
        if not remote:
            here[sweep_id] = local
        with runner(request.runner, request.address, count) as started, beating(request.name, remote):
            fixed = {"sweep_id": sweep_id, "name": request.name, "remote": remote}
            futures = [started.submit(place_cell, {"title": job.title, "job": job} | fixed) for job in todo]
            try:
                for future in as_completed(futures):
                    ended(future.result(raise_on_failure=False))
                    publish_table(found)
            finally:  # after Ctrl-C or SIGTERM some still run
                local.end()
                here.pop(sweep_id, None)

    return launch


def publish_table(found: Survey) -> None:
    """All cells with their params and numbers, as they stand."""
    columns, rows = sweep_page.cells_table(found.rows())
    create_table_artifact(
        key=artifact_key("sweep", found.request.name),
        table=[dict(zip(columns, row, strict=True)) for row in rows],
        description=f"`{sweep.command_line(found.request)}`",
    )


def publish(found: Survey, paths: list[Path]) -> None:
    """The tables as they are at the end, and the figure."""
    publish_table(found)
    columns, rows = sweep_page.settings_table(results.settings(found.rows()))
    create_table_artifact(
        key=artifact_key("settings", found.request.name),
        table=[dict(zip(columns, row, strict=True)) for row in rows],
        description="Mean ± standard deviation over seeds",
    )
    figure = base64.b64encode(paths[-1].read_bytes()).decode()
    create_image_artifact(
        image_url=f"data:image/svg+xml;base64,{figure}",
        key=artifact_key("pareto", found.request.name),
        description="accuracy against the share of zero columns",
    )
