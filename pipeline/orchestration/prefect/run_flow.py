"""`python -m pipeline run` as a Prefect flow: a task per stage, then metrics and key figure as artifacts."""

import base64
from pathlib import Path
from typing import Any

from prefect import flow, task
from prefect.artifacts import create_image_artifact, create_markdown_artifact, create_table_artifact
from prefect.client.schemas.objects import State
from prefect.states import Cancelled, Completed, Failed

from pipeline.layout import FIGURES, PAGE
from pipeline.orchestration.prefect.reporter import Reporter
from pipeline.orchestration.prefect.watch import INTERRUPTED, run_id, watched
from pipeline.orchestration.processes import stages
from pipeline.orchestration.processes.stop import Stop
from pipeline.orchestration.processes.terminate import terminated
from pipeline.orchestration.sweeps.page import TITLES, value
from pipeline.orchestration.sweeps.results import headline, read_measured


@flow(name="run", flow_run_name="run")
def run_flow() -> State[Any]:
    """Every stage that is not cached, one after the other."""
    root, stop = Path.cwd(), Stop()
    ran = []
    with watched(stop, [run_id()], None):
        for stage in stages.stage_order(root):
            state = run_stage(root, stage, stop, return_state=True)
            if state.name == INTERRUPTED:
                return Cancelled(name=INTERRUPTED, message=f"stopped in {stage}")
            if stop.event.is_set():
                return Cancelled(message=f"cancelled in {stage}")
            if not state.is_completed():
                return Failed(message=state.message)
            ran += [stage] if state.name != "Cached" else []
    publish(root)
    return Completed(message=f"ran {', '.join(ran)}" if ran else "all cached")


@task(task_run_name="{stage}")
def run_stage(root: Path, stage: str, stop: Stop) -> State[Any]:
    """One stage through DVC; a stage that DVC did not have to run ends as Cached."""
    try:
        with terminated():
            ran = stages.run_stage(root, stage, stop, PrintingReporter(stage))
    except stages.StageError as error:
        return Failed(message=str(error))
    except KeyboardInterrupt:
        return Cancelled(name=INTERRUPTED, message="stopped; the same command continues")
    return (
        Completed(message="ran") if ran else Completed(name="Cached", message="nothing it reads has changed")
    )


class PrintingReporter(Reporter):
    """Shows a stage in the terminal too."""

    def line(self, text: str) -> None:
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
