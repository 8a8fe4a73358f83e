"""A job of a sweep, on whatever machine: clone, `dvc exp run` of a cell, experiment pushed back, clone gone.

Or the pretraining of several cells in one process, which their own `dvc exp run` then finds finished.
"""

import hashlib
import os
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, TextIO

from pipeline.files import InputError
from pipeline.orchestration.processes.guarded import DVC, environment
from pipeline.orchestration.processes.listen import Listener, Reader, run_command
from pipeline.orchestration.processes.stop import Stop
from pipeline.orchestration.sweeps import results, workspaces
from pipeline.orchestration.sweeps.once import Once

PUSH_UNCACHED = str(Path(__file__).with_name("push_uncached.py"))
State = Literal["done", "failed", "stopped"]


@dataclass(frozen=True)
class Site:
    """Where the cells of a sweep run. source: path or URL of the Git repository that they clone from."""

    source: str
    commit: str
    folder: Path  # of clones, logs and locks
    cache: Path  # DVC's
    runs: Path  # resume states
    remote: str | None  # name of the DVC remote that other machines share


@dataclass(frozen=True)
class Job:
    """A cell and where to run it; made of plain values, so that it can be sent to another machine.

    data_key, twin_key: jobs that share it share the prepared data, the dense twin; twin_key is None where
    there is no twin. together: overrides of several cells; the job only pretrains these, in one process.
    """

    name: str
    title: str
    overrides: dict[str, Any]
    data_key: str
    twin_key: str | None
    site: Site
    together: tuple[dict[str, Any], ...] = ()


@dataclass(frozen=True)
class Outcome:
    """How a job ended.

    ran: the stages that were not cached. reason: one line, where it failed. headline: what a finished cell
    measured; empty where it only pretrained.
    """

    name: str
    state: State
    seconds: float
    ran: tuple[str, ...] = ()
    reason: str = ""
    log: str = ""
    headline: dict[str, float | None] = field(default_factory=dict)


def run_job(job: Job, slot: dict[str, str], stop: Stop, listener: Listener) -> Outcome:
    """Run a job to its end. slot: the environment that says where it computes.

    What goes wrong is in the outcome, so that the other jobs go on; it is in the log too.
    """
    began = time.monotonic()
    folder = job.site.folder / "clones" / job.name
    log = job.site.folder / "logs" / f"{job.name}.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    state: State = "failed"
    reason, headline = "", {}
    with log.open("w") as handle:
        reader = _LoggingReader(listener, handle)
        try:
            state, reason = _run(job, folder, slot, stop, reader)
            if state == "done" and not job.together:
                headline = results.headline(results.read_measured(folder))
        except (InputError, OSError) as error:
            reason = str(error)
            handle.write(f"{reason}\n")
        finally:
            workspaces.discard(folder)
    if stop.event.is_set() and state != "done":
        state, reason = "stopped", "stopped; the same command continues"
    seconds = time.monotonic() - began
    return Outcome(job.name, state, seconds, tuple(reader.reading.ran), reason, str(log), headline)


class _LoggingReader(Reader):
    """Writes the lines to the job's log, and calls `when_prepared` once the stage `prepare` is over."""

    def __init__(self, listener: Listener, log: TextIO) -> None:
        super().__init__(listener)
        self.log = log
        self.when_prepared: Callable[[], None] | None = None

    def line(self, text: str) -> None:
        print(text, file=self.log, flush=True)
        super().line(text)
        ran, skipped = self.reading.ran[-1:], self.reading.skipped
        prepared = ran not in ([], ["params"], ["prepare"]) or "prepare" in skipped
        if prepared and self.when_prepared is not None:
            self.when_prepared()


def _run(
    job: Job, folder: Path, slot: dict[str, str], stop: Stop, reader: _LoggingReader
) -> tuple[State, str]:
    site = job.site
    workspaces.clone(site.source, site.commit, folder, site.cache, site.remote)
    workspaces.write_params(folder, job.overrides)
    variables = environment(RUNS_DIR=str(site.runs), **slot)

    def start(*command: str) -> int:
        return 1 if stop.event.is_set() else run_command(command, folder, variables, stop, reader)

    with _shared(job, job.data_key, stop) as data:
        data.wait()
        reader.when_prepared = data.finish
        status = _pretrain_together(job, folder, start, data) if job.together else _run_cell(job, start, stop)
    if status:
        return "failed", reader.reading.reason()
    if job.together:
        return "done", ""
    if site.remote:
        both = ((*DVC, "push", "--run-cache"), (sys.executable, "-I", PUSH_UNCACHED, site.remote))
        if any(start(*command) for command in both):
            return "failed", f"push to {site.remote}: {reader.reading.reason()}"
    workspaces.push(folder, job.name)
    return "done", ""


def _shared(job: Job, key: str, stop: Stop) -> Once:
    """Work that cells of this commit share under a key, on this machine."""
    return Once(job.site.folder / "shared" / f"{job.site.commit[:12]}-{key}", stop)


def _pretrain_together(job: Job, folder: Path, start: Callable[..., int], data: Once) -> int:
    """Pretrain the cells of the job in one process; returns the exit status."""
    files = [f"together/{number}.yaml" for number in range(len(job.together))]
    for file, overrides in zip(files, job.together, strict=True):
        workspaces.write_params(folder, overrides, file)
    status = start(*DVC, "repro", "prepare")
    if status:
        return status
    data.finish()  # no stage follows by which the reader would see it
    return start(sys.executable, "-m", "stages.pretrain_together", *files)


def _run_cell(job: Job, start: Callable[..., int], stop: Stop) -> int:
    """`dvc exp run`, and before it the stages that cells share or can do while they wait; the exit status."""
    pull = ["--pull"] if job.site.remote else []
    if job.site.remote:
        start(*DVC, "fetch", "--run-cache")  # an empty remote is no failure: all is computed here then
    status = _train_twin_once(job, start, stop, pull) if job.twin_key else 0
    return status or start(*DVC, "exp", "run", "--name", job.name, *pull)


def _train_twin_once(job: Job, start: Callable[..., int], stop: Stop, pull: list[str]) -> int:
    """Let one of the cells that share a dense twin train it, while the others do their own pretraining.

    `dvc exp run` then takes both from DVC's run cache. Returns the exit status of what ran here.
    """
    with _shared(job, f"twin-{job.twin_key}", stop) as twin:
        if twin.done():
            return 0
        mine, status = twin.take(), 0
        if not mine:
            status = start(*DVC, "repro", *pull, "pretrain")
            mine = not status and twin.wait()
        if mine:
            status = start(*DVC, "repro", *pull, "twin")
            if not status:
                twin.finish()
        return status


def remote_site(url: str, commit: str, remote: str | None) -> Site:
    """On a machine without a copy of the project: everything under WORKSPACES or the user's cache folder."""
    base = Path(os.environ.get("WORKSPACES") or Path.home() / ".cache/sparsejepa")
    folder = base / hashlib.sha256(url.encode()).hexdigest()[:12]
    return Site(url, commit, folder, folder / "cache", folder / "runs", remote)
