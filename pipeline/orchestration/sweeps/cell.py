"""One cell of a sweep, on whatever machine: clone, `dvc exp run`, experiment pushed back, clone gone.

Or the pretraining of several cells in one process, which their own `dvc exp run` then finds finished.
"""

import contextlib
import fcntl
import hashlib
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pipeline.files import InputError
from pipeline.orchestration.processes.guarded import DVC, Guarded, environment
from pipeline.orchestration.processes.lines import Reading
from pipeline.orchestration.sweeps import workspaces

SHARE = str(Path(__file__).with_name("share.py"))
POLL = 0.2  # seconds between looks at a lock or at the request to stop


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
    """A cell and where to run it; made of plain values, so that it can be sent to another machine."""

    name: str
    title: str
    overrides: dict[str, Any]
    data_key: str
    site: Site
    together: tuple[dict[str, Any], ...] = ()  # overrides of cells: only pretrain these, in one process


@dataclass(frozen=True)
class Outcome:
    """How a cell ended. ran: the stages that were not cached; reason: one line, where it failed."""

    name: str
    state: Literal["done", "failed", "stopped"]
    seconds: float
    ran: tuple[str, ...] = ()
    reason: str = ""
    log: str = ""


class Stop:
    """A request to stop, and the process that it ends."""

    def __init__(self) -> None:
        self.event = threading.Event()
        self._running: set[Guarded] = set()
        self._lock = threading.Lock()

    def request(self) -> None:
        with self._lock:
            self.event.set()
            for process in self._running:
                process.stop()

    @contextlib.contextmanager
    def ends(self, process: Guarded) -> Iterator[Guarded]:
        """Within the block a request ends the process; after it, it has ended."""
        with self._lock:
            self._running.add(process)
            if self.event.is_set():
                process.stop()
        try:
            with process:
                yield process
        finally:
            with self._lock:
                self._running.discard(process)


def run(job: Job, place: dict[str, str], stop: Stop, on_line: Callable[[str, Reading], None]) -> Outcome:
    """Run a cell to its end. `on_line` sees each line of output and what they say so far.

    What goes wrong is in the outcome, so that the other cells go on; it is in the log too.
    """
    began, reading = time.monotonic(), Reading()
    folder = job.site.folder / "clones" / job.name
    log = job.site.folder / "logs" / f"{job.name}.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    state: Literal["done", "failed", "stopped"] = "failed"
    reason = ""
    with log.open("w") as handle:
        try:
            state, reason = _run(job, folder, place, stop, reading, _written(handle, on_line))
        except (InputError, OSError) as error:
            reason = str(error)
            handle.write(f"{reason}\n")
        finally:
            workspaces.discard(folder)
    if stop.event.is_set() and state != "done":
        state, reason = "stopped", "stopped; the same command continues"
    return Outcome(job.name, state, time.monotonic() - began, tuple(reading.ran), reason, str(log))


def _written(handle: Any, on_line: Callable[[str, Reading], None]) -> Callable[[str, Reading], None]:
    def write(line: str, reading: Reading) -> None:
        handle.write(line + "\n")
        handle.flush()
        on_line(line, reading)

    return write


def _run(
    job: Job,
    folder: Path,
    place: dict[str, str],
    stop: Stop,
    reading: Reading,
    on_line: Callable[[str, Reading], None],
) -> tuple[Literal["done", "failed", "stopped"], str]:
    site = job.site
    workspaces.clone(site.source, site.commit, folder, site.cache, site.remote)
    workspaces.write_params(folder, job.overrides)
    variables = environment(RUNS_DIR=str(site.runs), **place)

    def start(*command: str) -> int:
        with stop.ends(Guarded(command, folder, variables)) as process:
            for line in process:
                reading.read(line)
                on_line(line, reading)
                if reading.ran[-1:] not in ([], ["prepare"]) or "prepare" in reading.skipped:
                    prepared()
            return process.wait()

    if job.together:
        with _prepared_once(site.folder / "prepared" / job.data_key, stop) as prepared:
            status = 1 if stop.event.is_set() else start(*DVC, "repro", "prepare")
        files = [f"together/{at}.yaml" for at in range(len(job.together))]
        for file, overrides in zip(files, job.together, strict=True):
            workspaces.write_params(folder, overrides, file)
        if status or start(sys.executable, "-m", "stages.pretrain_together", *files):
            return "failed", reading.reason()
        return "done", ""
    with _prepared_once(site.folder / "prepared" / job.data_key, stop) as prepared:
        if site.remote:
            start(*DVC, "fetch", "--run-cache")  # an empty remote is no failure: all is computed here then
        pull = ["--pull"] if site.remote else []
        status = 1 if stop.event.is_set() else start(*DVC, "exp", "run", "--name", job.name, *pull)
    if status:
        return "failed", reading.reason()
    if site.remote:
        both = ((*DVC, "push", "--run-cache"), (sys.executable, "-I", SHARE, site.remote))
        if any(start(*command) for command in both):
            return "failed", f"push to {site.remote}: {reading.reason()}"
    workspaces.push(folder, job.name)
    return "done", ""


@contextlib.contextmanager
def _prepared_once(marker: Path, stop: Stop) -> Iterator[Callable[[], None]]:
    """Let one cell of those that share their data prepare it, and the others wait for it.

    Yields a function to call when the data is there. The lock ends with its holder, so a cell that fails or
    is killed while it prepares lets the next one try.
    """
    marker.parent.mkdir(parents=True, exist_ok=True)
    handle = os.open(marker.with_suffix(".lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC)
    while not marker.exists() and not stop.event.is_set():
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            break
        except BlockingIOError:
            stop.event.wait(POLL)

    def prepared() -> None:
        if not marker.exists():
            marker.touch()

    try:
        yield prepared
    finally:
        os.close(handle)


def remote_site(url: str, commit: str, remote: str | None) -> Site:
    """On a machine without a copy of the project: everything under WORKSPACES or the user's cache folder."""
    base = Path(os.environ.get("WORKSPACES") or Path.home() / ".cache/sparsejepa")
    folder = base / hashlib.sha256(url.encode()).hexdigest()[:12]
    return Site(url, commit, folder, folder / "cache", folder / "runs", remote)
