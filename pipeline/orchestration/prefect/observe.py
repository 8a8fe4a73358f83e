"""A stage that was started by hand shows itself on the dashboard: state, params, log, progress, curves,
metrics.

`python -m stages STAGE` works within `observed`. Prefect is imported only where PREFECT_API_URL is set.
A thread of its own sends everything, so that training never waits for the server, and a server that fails
disturbs no stage.
"""

import os
import queue
import re
import signal
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout, suppress
from datetime import UTC, datetime
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from pipeline.layout import HISTORIES
from pipeline.orchestration.prefect.curves import Curves
from pipeline.orchestration.prefect.server import CLIENT_TOKEN, SETTINGS, trouble
from pipeline.params import read_tree
from pipeline.progress import VARIABLE, ProgressFile

if TYPE_CHECKING:
    from prefect.client.orchestration import SyncPrefectClient

SEND_SECONDS = 2.0  # between sendings, and between looks whether the run was cancelled
BAR = re.compile(r".*\d+%\|.*\|")  # a progress bar of tqdm: no line for the log


@contextmanager
def observed(stage: str) -> Iterator[None]:
    """Within the block this process is a flow run on the server at PREFECT_API_URL.

    Without that variable nothing happens. Where no server answers, or Prefect is missing, one line says so.
    """
    url = os.environ.get("PREFECT_API_URL")
    if not url or os.environ.get("RANK", "0") != "0":  # torchrun's other processes
        yield
        return
    problem = (
        trouble(url, os.environ.get(CLIENT_TOKEN)) if find_spec("prefect") else "Prefect is not installed"
    )
    if problem is not None:
        print(f"observe: {problem}; going on without", file=sys.stderr, flush=True)
        yield
        return
    for key, value in SETTINGS.items():
        os.environ.setdefault(key, value)
    from prefect.client.orchestration import get_client
    from prefect.states import Completed, Failed

    with get_client(sync_client=True) as client, _progress_file() as file:
        sender = Sender(client, stage, file)
        out, err = Tee(sys.stdout, sender.out), Tee(sys.stderr, sender.err)
        try:
            with redirect_stdout(out), redirect_stderr(err):
                yield
        except BaseException as error:
            sender.close(Failed(message=str(error) or type(error).__name__))
            raise
        sender.close(Completed())


@contextmanager
def _progress_file() -> Iterator[ProgressFile]:
    """Where this process, and those that it starts, report their progress within the block."""
    before = os.environ.get(VARIABLE)
    with tempfile.TemporaryDirectory(prefix="progress.") as folder:
        file = ProgressFile(Path(folder) / "reports")
        os.environ[VARIABLE] = str(file.path)
        try:
            yield file
        finally:
            if before is None:
                del os.environ[VARIABLE]
            else:
                os.environ[VARIABLE] = before


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

    def __init__(self, client: "SyncPrefectClient", stage: str, file: ProgressFile) -> None:
        from prefect import flow
        from prefect.states import Running

        self.client, self.stage, self.file = client, stage, file
        experiment = os.environ.get("DVC_EXP_NAME")
        params = read_tree(Path("params.yaml")) if Path("params.yaml").exists() else {}
        self.run = client.create_flow_run(
            flow(name="stage")(_nothing),
            name=f"{stage} of {experiment}" if experiment else stage,
            parameters=params,
            tags=["dvc"],
            state=Running(),
        )
        self.out: queue.SimpleQueue[str] = queue.SimpleQueue()
        self.err: queue.SimpleQueue[str] = queue.SimpleQueue()
        self.progress = None  # the artifact's id
        self.history = None  # the artifact's id
        self.curves = Curves(Path(), stage) if stage in HISTORIES else None
        self.over = threading.Event()
        self.thread = threading.Thread(target=self._send_on, daemon=True)
        self.thread.start()

    def close(self, state: Any) -> None:
        """Send the rest, the stage's metrics and the final state."""
        import httpx
        from prefect.exceptions import PrefectException

        self.over.set()
        self.thread.join()
        with suppress(httpx.HTTPError, PrefectException):
            self._send()
            metrics = Path(f"reports/metrics/{self.stage}.json")
            if state.is_completed() and metrics.exists():
                self._artifact(f"{self.stage}-metrics", "markdown", f"```json\n{metrics.read_text()}\n```")
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

        lines = [*_drained(self.out), *(line for line in _drained(self.err) if not BAR.match(line))]
        lines = [line for line in lines if line.strip()]
        now = datetime.now(UTC)
        if lines:
            self.client.create_logs(
                LogCreate(name="stage", level=20, message=line, timestamp=now, flow_run_id=self.run.id)  # pyright: ignore[reportArgumentType]
                for line in lines
            )
        self._send_history()
        newest = self.file.newest()
        if newest is None:
            return
        if self.progress is None:
            self.progress = self._artifact(self.stage, "progress", newest.percent, newest.in_words())
        else:
            update = ArtifactUpdate(data=newest.percent, description=newest.in_words())
            self.client.update_artifact(self.progress, update)

    def _send_history(self) -> None:
        from prefect.client.schemas.actions import ArtifactUpdate

        newest = self.curves.newest() if self.curves else None
        if newest is None:
            return
        if self.history is None:
            self.history = self._artifact(f"{self.stage}-curves", "markdown", newest, "as it trains")
        else:
            self.client.update_artifact(self.history, ArtifactUpdate(data=newest))

    def _artifact(self, key: str, kind: str, data: Any, description: str = "") -> Any:
        from prefect.client.schemas.actions import ArtifactCreate

        content = ArtifactCreate(
            key=f"stage-{key}", type=kind, data=data, description=description, flow_run_id=self.run.id
        )
        return self.client.create_artifact(content).id


def _nothing() -> None:
    """The body of the flow: the stage is the process itself."""


def _drained(lines: "queue.SimpleQueue[str]") -> Iterator[str]:
    with suppress(queue.Empty):
        while True:
            yield lines.get_nowait()
