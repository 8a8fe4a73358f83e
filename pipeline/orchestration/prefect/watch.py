"""What the page and a sweep's cells tell each other by the server: cancelled, still alive, crashed."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from uuid import UUID

import httpx
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.filters import (
    FlowRunFilter,
    FlowRunFilterName,
    FlowRunFilterState,
    FlowRunFilterStateType,
    FlowRunFilterTags,
)
from prefect.client.schemas.objects import StateType
from prefect.context import get_run_context
from prefect.exceptions import PrefectException
from prefect.states import Crashed
from prefect.variables import Variable

from pipeline.orchestration.processes.stop import Stop

LOOK_SECONDS = 3.0  # between looks at the server
BEAT_SECONDS = 10.0
LOST_SECONDS = 60.0  # without a beat: the sweep is gone
UNREACHABLE = (httpx.HTTPError, PrefectException)
CANCELLED = ("CANCELLING", "CANCELLED")
INTERRUPTED = "Interrupted"  # name of the state of a run that Ctrl-C or SIGTERM ended


def run_id() -> str:
    """Of the flow run that calls."""
    flow_run = getattr(get_run_context(), "flow_run", None)
    assert flow_run is not None
    return str(flow_run.id)


@contextmanager
def watched(stop: Stop, runs: list[str], beat: str | None) -> Iterator[None]:
    """Within the block, request a stop when one of the flow runs is cancelled, or when the sweep named
    `beat`, which runs on another machine, has shown no sign of life for LOST_SECONDS.

    The first look is over before the block begins. A server that does not answer stops nothing.
    """
    last = Beat()

    def look() -> None:
        with get_client(sync_client=True) as client:
            if any(cancelled(client, run) for run in runs):
                stop.request()
        if beat is not None and last.age(Variable.get(beat_name(beat))) > LOST_SECONDS:
            stop.request()

    with _repeated(look, LOOK_SECONDS):
        yield


class Beat:
    """How long ago a value last changed, by this machine's own clock."""

    def __init__(self) -> None:
        self.value: object = None
        self.since = time.monotonic()

    def age(self, value: object) -> float:
        """Seconds since the value became what it is now."""
        if value != self.value:
            self.value, self.since = value, time.monotonic()
        return time.monotonic() - self.since


def beat_name(sweep: str) -> str:
    return f"sweep_{sweep.lower().replace('-', '_')}_beat"


@contextmanager
def beating(sweep: str, on: bool) -> Iterator[None]:
    """Show, while the block runs, that the sweep is alive: cells on other machines end without it."""
    if not on:
        yield
        return
    began = time.time()  # tells this sweep's beats from those of one before

    def beat() -> None:
        Variable.set(beat_name(sweep), f"{began:.0f} {time.monotonic():.0f}", overwrite=True)

    with _repeated(beat, BEAT_SECONDS):
        yield


def mark_crashed(sweep: str, caller: str) -> None:
    """Mark as crashed the runs that a killed sweep of this name left as running.

    caller: the flow run that calls, which holds the sweep's lock and stays as it is.
    """
    running = FlowRunFilterState(type=FlowRunFilterStateType(any_=[StateType.RUNNING, StateType.PENDING]))
    filters = (
        FlowRunFilter(state=running, name=FlowRunFilterName(any_=[f"sweep {sweep}"])),
        FlowRunFilter(state=running, tags=FlowRunFilterTags(all_=[f"sweep:{sweep}"])),
    )
    with get_client(sync_client=True) as client:
        for wanted in filters:
            for run in client.read_flow_runs(flow_run_filter=wanted):
                if str(run.id) != caller:
                    client.set_flow_run_state(
                        run.id, Crashed(message="killed; a later sweep went on"), force=True
                    )


def cancelled(client: SyncPrefectClient, run: str) -> bool:
    state = client.read_flow_run(UUID(run)).state
    return state is not None and state.type in CANCELLED


@contextmanager
def _repeated(action: Callable[[], None], seconds: float) -> Iterator[None]:
    """Call now, and in a thread every so often until the block ends."""
    over = threading.Event()

    def attempt() -> None:
        with suppress(*UNREACHABLE):
            action()

    def repeat() -> None:
        while not over.wait(seconds):
            attempt()

    attempt()
    thread = threading.Thread(target=repeat, daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
