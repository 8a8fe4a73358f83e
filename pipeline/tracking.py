"""The history of a run, sent to the tracker that runtime.tracking names, while the run goes on.

Every tracker gets the columns of training.csv (twin.csv) under their names, and the params that decide the
run. What it writes lies beside the states that resume the run, so a run that continues is continued there
too. Each library is an optional extra of the project, and none sends anything unless its own environment
variables say so.
"""

import os
import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from pipeline.files import InputError, ParamsError, read_json, write_json
from pipeline.graph import read_graph, tracked_values
from pipeline.params import Params

PROJECT = "sparsejepa"  # under which trackers list the runs
LOGGED = "logged.json"  # in the tracker's folder: the last step that it has
RUN = "run.json"  # in the tracker's folder: the name by which a server knows the run

Log = Callable[[int, dict[str, float]], None]  # a step and its numbers


@dataclass(frozen=True)
class TrackedRun:
    """A run as a tracker sees it. folder: of this tracker and this run. params: dotted path -> value."""

    name: str
    folder: Path
    params: dict[str, Any]

    def logged(self) -> int:
        """The last step that the tracker is known to have; -1 where it has none."""
        file = self.folder / LOGGED
        return read_json(file)["step"] if file.exists() else -1

    def mark(self, step: int) -> None:
        """Note that the tracker has everything up to this step."""
        write_json(self.folder / LOGGED, {"step": step})


def check(params: Params) -> None:
    """Raises ParamsError where the library that runtime.tracking names is not installed."""
    name = params.runtime.tracking
    if name == "none":
        return
    spec = find_spec(name)
    if spec is None or spec.origin is None:  # a mere folder of that name, such as wandb writes, has no origin
        raise ParamsError(f"runtime.tracking: {name} is not installed: uv pip install {name}")


@contextmanager
def tracked(params: Params, stage: str, states: Path) -> Iterator[Callable[[list[dict[str, Any]]], None]]:
    """Yields a function that takes the history of a run, and logs the rows that are not logged yet.

    states: where the run's states lie; its name is that of the run. A run that a tracker has already seen
    goes on there. Raises what `check` raises, and InputError where the tracker's server refuses.
    """
    check(params)
    library = params.runtime.tracking
    if library == "none":
        yield lambda rows: None
        return
    run = TrackedRun(
        f"{stage} of {os.environ.get('DVC_EXP_NAME') or states.name}",
        states / library,
        _leaves(tracked_values(params.model_dump(mode="json", by_alias=True), read_graph()[stage]["params"])),
    )
    run.folder.mkdir(parents=True, exist_ok=True)
    last = run.logged()
    with TRACKERS[library](run) as log:

        def log_new(rows: list[dict[str, Any]]) -> None:
            nonlocal last
            # A signal that ends all of a sweep's processes ends a tracker's own one first. Training still has
            # to save its state then, and what the tracker has missed is logged when the run goes on.
            with suppress(ConnectionError):
                for row in rows:
                    if row["step"] > last:
                        log(row["step"], {name: value for name, value in row.items() if name != "step"})
                        last = row["step"]

        yield log_new


@contextmanager
def _tensorboard(run: TrackedRun) -> Iterator[Log]:
    from torch.utils.tensorboard import SummaryWriter

    with SummaryWriter(run.folder) as writer:
        if run.logged() < 0:
            rows = "\n".join(f"| {path} | {value} |" for path, value in run.params.items())
            writer.add_text("params", f"| param | value |\n|---|---|\n{rows}")

        def log(step: int, numbers: dict[str, float]) -> None:
            for name, value in numbers.items():
                writer.add_scalar(name, value, step)
            writer.flush()
            run.mark(step)

        yield log


@contextmanager
def _wandb(run: TrackedRun) -> Iterator[Log]:
    """Offline unless WANDB_MODE says otherwise. Each part of a run that was interrupted has a folder, all
    with the id of the run. wandb writes from a process of its own: only where that ends well is it sure to
    have a part. Else the next part begins where this one did, and `wandb sync` drops what it has seen."""
    mode = os.environ.get("WANDB_MODE", "offline")
    if mode == "offline":
        os.environ.setdefault("WANDB_ERROR_REPORTING", "false")
    import wandb  # pyright: ignore[reportMissingImports]

    known = run.folder / RUN
    if not known.exists():
        write_json(known, {"run_id": f"{run.folder.parent.name}-{secrets.token_hex(2)}"})
    try:
        session = wandb.init(
            mode=mode,  # pyright: ignore[reportArgumentType]
            project=os.environ.get("WANDB_PROJECT", PROJECT),
            id=read_json(known)["run_id"],
            name=run.name,
            dir=run.folder,
            config=run.params,
            resume="allow",
            settings=wandb.Settings(console="off", silent=True),
        )
    except wandb.Error as error:
        raise InputError(f"runtime.tracking: wandb: {_line(error)}") from None
    status, last = 1, run.logged()

    def log(step: int, numbers: dict[str, float]) -> None:
        nonlocal last
        session.log(numbers, step=step, commit=True)
        last = step

    try:
        yield log
        status = 0
    finally:
        with suppress(ConnectionError):
            session.finish(exit_code=status)
            run.mark(last)
        with suppress(ConnectionError):
            wandb.teardown()


@contextmanager
def _mlflow(run: TrackedRun) -> Iterator[Log]:
    """To the file mlflow.db beside all runs unless MLFLOW_TRACKING_URI names a server."""
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    from mlflow import MlflowClient, MlflowException  # pyright: ignore[reportMissingImports]
    from mlflow.entities import Metric, Param  # pyright: ignore[reportMissingImports]

    runs, known = run.folder.parents[1].resolve(), run.folder / RUN
    uri = os.environ.get("MLFLOW_TRACKING_URI") or f"sqlite:///{runs / 'mlflow.db'}"
    try:
        client = MlflowClient(tracking_uri=uri)
        if known.exists():
            identity = read_json(known)["run_id"]
            client.update_run(identity, status="RUNNING")
        else:
            name = os.environ.get("MLFLOW_EXPERIMENT_NAME", PROJECT)
            experiment = client.get_experiment_by_name(name)
            number = experiment.experiment_id if experiment else client.create_experiment(name)
            identity = client.create_run(number, run_name=run.name).info.run_id
            params = [Param(path, str(value)) for path, value in run.params.items()]
            client.log_batch(identity, params=params)
            write_json(known, {"run_id": identity})
        ended = "FAILED"
        try:

            def log(step: int, numbers: dict[str, float]) -> None:
                now = int(1000 * time.time())
                metrics = [Metric(name, value, now, step) for name, value in numbers.items()]
                client.log_batch(identity, metrics)
                run.mark(step)

            yield log
            ended = "FINISHED"
        finally:
            client.set_terminated(identity, ended)
    except MlflowException as error:
        raise InputError(f"runtime.tracking: mlflow: {_line(error)}") from None


@contextmanager
def _dvclive(run: TrackedRun) -> Iterator[Log]:
    """It saves no experiment and writes no dvc.yaml: the pipeline has both."""
    from dvclive.live import Live  # pyright: ignore[reportMissingImports]

    with Live(str(run.folder), resume=True, save_dvc_exp=False, dvcyaml=False) as live:
        live.log_params(run.params)

        def log(step: int, numbers: dict[str, float]) -> None:
            live.step = step
            for name, value in numbers.items():
                live.log_metric(name, value)
            live.sync()
            run.mark(step)

        yield log


TRACKERS: dict[str, Callable[[TrackedRun], AbstractContextManager[Log]]] = {
    "tensorboard": _tensorboard,
    "wandb": _wandb,
    "mlflow": _mlflow,
    "dvclive": _dvclive,
}


def _leaves(tree: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Dotted path -> value."""
    leaves = {}
    for key, value in tree.items():
        path = f"{prefix}{key}"
        leaves |= _leaves(value, f"{path}.") if isinstance(value, dict) else {path: value}
    return leaves


def _line(error: Exception) -> str:
    return " ".join(str(error).split())
