"""A stage that was started by hand shows itself on the dashboard: state, params, log, progress, metrics.

stages/command.py loads this by name, and only where PREFECT_API_URL is set. What is sent goes through a
thread of its own, so that training never waits for the server, and a server that fails disturbs no stage.
"""

import os
import queue
import re
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout, suppress
from datetime import UTC, datetime
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

import yaml

from pipeline.orchestration.prefect.dashboard import SETTINGS, answers
from pipeline.orchestration.processes.lines import Reading

if TYPE_CHECKING:
    from prefect.client.orchestration import SyncPrefectClient

SEND_SECONDS = 2.0  # between sendings, and between looks whether the run was cancelled
BAR = re.compile(r"pretrain: +(\d+)%\|(.*)")


@contextmanager
def observed(stage: str) -> Iterator[None]:
    """Within the block this process is a flow run; without a server, or without Prefect, one line says so."""
    url = os.environ["PREFECT_API_URL"]
    if os.environ.get("RANK", "0") != "0":  # torchrun's other processes
        yield
        return
    if find_spec("prefect") is None or not answers(url):
        print(f"observe: no Prefect or no server at {url}; going on without", file=sys.stderr, flush=True)
        yield
        return
    for key, value in SETTINGS.items():
        os.environ.setdefault(key, value)
    from prefect.client.orchestration import get_client
    from prefect.states import Completed, Failed

    with get_client(sync_client=True) as client:
        sender = Sender(client, stage)
        out, err = Tee(sys.stdout, sender.out), Tee(sys.stderr, sender.err)
        try:
            with redirect_stdout(out), redirect_stderr(err):
                yield
        except BaseException as error:
            sender.close(Failed(message=str(error) or type(error).__name__))
            raise
        sender.close(Completed())


class Tee:
    """A text stream that passes everything on, and each line to `take` too; a bar's updates are lines."""

    def __init__(self, stream: TextIO, take: "queue.SimpleQueue[str]") -> None:
        self._stream, self._take, self._rest = stream, take, ""

    def write(self, text: str) -> int:
        *lines, self._rest = re.split(r"[\r\n]", self._rest + text)
        for line in lines:
            self._take.put(line)
        return self._stream.write(text)

    def flush(self) -> None:
        self._stream.flush()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


class Sender:
    """The flow run of one stage, and the thread that keeps it up to date."""

    def __init__(self, client: "SyncPrefectClient", stage: str) -> None:
        from prefect import flow
        from prefect.states import Running

        self.client, self.stage = client, stage
        experiment = os.environ.get("DVC_EXP_NAME")
        params = yaml.safe_load(Path("params.yaml").read_text()) if Path("params.yaml").exists() else {}
        self.run = client.create_flow_run(
            flow(name="stage")(_nothing),
            name=f"{stage} of {experiment}" if experiment else stage,
            parameters=params,
            tags=["dvc"],
            state=Running(),
        )
        self.out: queue.SimpleQueue[str] = queue.SimpleQueue()
        self.err: queue.SimpleQueue[str] = queue.SimpleQueue()
        self.reading, self.progress, self.shown = Reading(), None, None
        self.over = threading.Event()
        self.thread = threading.Thread(target=self._send_on, daemon=True)
        self.thread.start()

    def close(self, state: Any) -> None:
        """Send what is left, the stage's metrics and the final state."""
        import httpx
        from prefect.exceptions import PrefectException

        self.over.set()
        self.thread.join()
        with suppress(httpx.HTTPError, PrefectException):
            self._send()
            metrics = Path(f"reports/metrics/{self.stage}.json")
            if state.is_completed() and metrics.exists():
                self._artifact("metrics", "markdown", f"```json\n{metrics.read_text()}\n```")
            self.client.set_flow_run_state(self.run.id, state, force=True)

    def _send_on(self) -> None:
        import httpx
        from prefect.exceptions import PrefectException

        while not self.over.wait(SEND_SECONDS):
            with suppress(httpx.HTTPError, PrefectException):
                self._send()
                state = self.client.read_flow_run(self.run.id).state
                if state is not None and (state.is_cancelling() or state.is_cancelled()):
                    os.kill(os.getpid(), signal.SIGTERM)  # pretraining saves its state, any stage unwinds
                    return

    def _send(self) -> None:
        from prefect.client.schemas.actions import ArtifactUpdate, LogCreate

        lines = [line for line in _drained(self.out) if line.strip()]
        for line in lines:
            self.reading.read(line)
        for line in _drained(self.err):
            if bar := BAR.match(line):
                self.reading.percent, self.reading.latest = float(bar[1]), bar[2]
            elif line.strip():
                lines.append(line)
        now = datetime.now(UTC)
        if lines:
            self.client.create_logs(
                LogCreate(name="stage", level=20, message=line, timestamp=now, flow_run_id=self.run.id)  # pyright: ignore[reportArgumentType]
                for line in lines
            )
        if self.reading.percent is not None and self.reading.percent != self.shown:
            self.shown = self.reading.percent
            if self.progress is None:
                self.progress = self._artifact(self.stage, "progress", self.shown)
            else:
                update = ArtifactUpdate(data=self.shown, description=self.reading.latest)
                self.client.update_artifact(self.progress, update)

    def _artifact(self, key: str, kind: str, data: Any) -> Any:
        from prefect.client.schemas.actions import ArtifactCreate

        made = ArtifactCreate(
            key=f"stage-{key}", type=kind, data=data, description=self.reading.latest, flow_run_id=self.run.id
        )
        return self.client.create_artifact(made).id


def _nothing() -> None:
    """The body of the flow: the stage is the process itself."""


def _drained(lines: "queue.SimpleQueue[str]") -> Iterator[str]:
    with suppress(queue.Empty):
        while True:
            yield lines.get_nowait()
