"""`python -m pipeline run` as a Prefect flow: a task per stage, then metrics and key figure as artifacts."""

import base64
from pathlib import Path
from typing import Any

from prefect import flow, task
from prefect.artifacts import create_image_artifact, create_markdown_artifact, create_table_artifact
from prefect.client.schemas.objects import State
from prefect.futures import PrefectFuture, wait
from prefect.states import Cancelled, Completed, Failed

from pipeline.layout import FIGURES, PAGE
from pipeline.orchestration.prefect.reporter import Reporter
from pipeline.orchestration.prefect.watch import INTERRUPTED, run_id, watched
from pipeline.orchestration.processes import stages
from pipeline.orchestration.processes.devices import Environment
from pipeline.orchestration.processes.lines import tells
from pipeline.orchestration.processes.stop import Stop
from pipeline.orchestration.processes.terminate import terminated
from pipeline.orchestration.sweeps.page import TITLES, value
from pipeline.orchestration.sweeps.results import headline, read_measured
from pipeline.params import load


@flow(name="run", flow_run_name="run")
def run_flow() -> State[Any]:
    """Every stage that is not cached."""
    root, stop = Path.cwd(), Stop()
    runtime = load(root / "params.yaml").runtime
    ran: list[str] = []
    with watched(stop, [run_id()], None):
        for names in stages.stage_rounds(root):
            given = stages.shares(names, runtime)
            in_words = " and ".join(names)
            try:
                with terminated():
                    states = run_round(root, names, given, stop)
            except KeyboardInterrupt:
                return Cancelled(name=INTERRUPTED, message=f"stopped in {in_words}")
            failed = [state for state in states if state.is_failed()]
            if failed:
                return Failed(message=failed[0].message)
            if stop.event.is_set():
                return Cancelled(message=f"cancelled in {in_words}")
            ran += [name for name, state in zip(names, states, strict=True) if state.name != "Cached"]
    publish(root)
    return Completed(message=f"ran {', '.join(ran)}" if ran else "all cached")


def run_round(root: Path, names: list[str], given: list[Environment], stop: Stop) -> list[State[Any]]:
    """How the tasks of a round's stages ended. They run side by side where `given` has a share for each, else
    one after the other up to the first that fails."""
    futures: list[PrefectFuture[Any]] = []
    try:
        for name, share in zip(names, given or [{}] * len(names), strict=True):
            if not stop.event.is_set():
                futures.append(run_stage.submit(root, name, share, stop))
            if not given:
                wait(futures)
        wait(futures)
    except KeyboardInterrupt:
        stop.request()
        wait(futures)
        raise
    return [future.state for future in futures]


@task(task_run_name="{stage}")
def run_stage(root: Path, stage: str, share: Environment, stop: Stop) -> State[Any]:
    """One stage through DVC; a stage that DVC did not have to run ends as Cached. One that fails stops those
    beside it."""
    try:
        ran = stages.run_stage(root, stage, stop, PrintingReporter(stage), share)
    except stages.StageError as error:
        if stop.event.is_set():
            return Cancelled(message=str(error))
        stop.request()
        return Failed(message=str(error))
    return (
        Completed(message="ran") if ran else Completed(name="Cached", message="nothing it reads has changed")
    )


class PrintingReporter(Reporter):
    """Shows a stage in the terminal too."""

    def line(self, text: str) -> None:
        if tells(text):
            print(text, flush=True)
        super().line(text)


def publish(root: Path) -> None:
    """The headline as a table, the first set's probe chart as an image, the report's text."""
    numbers = headline(read_measured(root))
    create_table_artifact(
        key="metrics",
        table=[{TITLES[name]: value(name, numbers[name]) for name in numbers}],
        description="metrics",
    )
    charts = sorted((root / FIGURES).glob("probe_*_accuracy.svg"))
    if charts:
        content = base64.b64encode(charts[0].read_bytes()).decode()
        create_image_artifact(
            image_url=f"data:image/svg+xml;base64,{content}", key="key-figure", description=charts[0].stem
        )
    create_markdown_artifact(f"Report: {(root / PAGE).resolve()}", key="report")


def run() -> int:
    """The flow for the command line; its exit status. Raises KeyboardInterrupt where Ctrl-C ended it."""
    state: State[Any] = run_flow(return_state=True)
    if state.name == INTERRUPTED:
        raise KeyboardInterrupt
    return 0 if state.is_completed() else 1
