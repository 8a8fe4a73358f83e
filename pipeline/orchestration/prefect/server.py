"""A Prefect server whose database lies in the project, quiet and offline: started, looked for, connected to.

Nothing here imports Prefect.
"""

import json
import os
import socket
import sys
import threading
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import TextIO

from pipeline.files import InputError
from pipeline.orchestration.processes.guarded import Guarded, environment
from pipeline.orchestration.processes.stop import Stop
from pipeline.orchestration.processes.terminate import terminated

HOME = Path(".prefect")
ADDRESS = HOME / "address"
START_SECONDS = 600.0
SETTINGS = {
    "DO_NOT_TRACK": "1",
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "PREFECT_CLOUD_ENABLE_ORCHESTRATION_TELEMETRY": "false",
    "PREFECT_TELEMETRY_ENABLE_RESOURCE_METRICS": "false",
    "PREFECT_SERVER_UI_SHOW_PROMOTIONAL_CONTENT": "false",
    "PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL": "CRITICAL",  # the commands print lines of their own
}


def serve(root: Path, host: str, port: int) -> int:
    """Run the server until it ends or Ctrl-C; print where it is as soon as it answers.

    Raises InputError where the port is taken or the server does not start.
    """
    _require_free(host, port)
    shown = "127.0.0.1" if host == "0.0.0.0" else host
    url = f"http://{shown}:{port}/api"
    variables = environment(
        **SETTINGS,
        PREFECT_HOME=str((root / HOME).resolve()),
        PREFECT_SERVER_API_HOST=host,
        PREFECT_SERVER_API_PORT=str(port),
    )
    (root / HOME).mkdir(exist_ok=True)
    command = (sys.executable, "-m", "prefect", "server", "start", "--host", host, "--port", str(port))
    print("dashboard: starting (10 to 30 seconds)", flush=True)
    stop, log = Stop(), root / HOME / "server.log"
    with (
        terminated(),
        log.open("w") as handle,
        stop.ends(Guarded(command, root, variables)) as process,
    ):
        _drain(process, handle)
        until = time.monotonic() + START_SECONDS
        while not answers(url):
            if process.process.poll() is not None or time.monotonic() > until:
                raise InputError(f"the server did not start; its log is {log}")
            time.sleep(0.3)
        (root / ADDRESS).write_text(url + "\n")
        print(f"dashboard: {page(url)}", flush=True)
        print(f"dashboard: for plain `dvc repro` and `dvc exp run`: export PREFECT_API_URL={url}", flush=True)
        print("dashboard: Ctrl-C ends it; what it shows is kept in .prefect/", flush=True)
        try:
            return process.wait()
        except KeyboardInterrupt:
            return 0
        finally:
            (root / ADDRESS).unlink(missing_ok=True)


def running(root: Path) -> str | None:
    """The API's URL of a server that answers: PREFECT_API_URL's, else that of this project's dashboard."""
    given = os.environ.get("PREFECT_API_URL")
    if given:
        return given if answers(given) else None
    try:
        url = (root / ADDRESS).read_text().strip()
    except FileNotFoundError:
        return None
    return url if answers(url) else None


def answers(url: str) -> bool:
    """Whether a Prefect server answers at the API's URL within two seconds."""
    try:
        with urllib.request.urlopen(f"{url}/health", timeout=2) as reply:
            return json.load(reply) is True
    except (OSError, ValueError):
        return False


def connect(root: Path) -> str | None:
    """Point Prefect, before it is imported, at a server that answers; where none does, one line says so."""
    url = running(root)
    if url is None:
        asked = os.environ.get("PREFECT_API_URL")
        where = f"nothing at {asked}" if asked else "not up (`python -m pipeline dashboard` starts it)"
        print(f"dashboard: {where}; going on without", flush=True)
        return None
    for key, value in SETTINGS.items():
        os.environ.setdefault(key, value)
    os.environ["PREFECT_API_URL"] = url
    os.environ.setdefault("PREFECT_HOME", str((root / HOME).resolve()))
    return url


def page(url: str) -> str:
    """The address of the pages that belong to an API."""
    return url.removesuffix("/api")


def _drain(process: Guarded, handle: TextIO) -> None:
    def copy() -> None:
        for line in process:
            print(line, file=handle, flush=True)

    threading.Thread(target=copy, daemon=True).start()


def _require_free(host: str, port: int) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise InputError(f"--port {port}: {error.strerror}; choose another with --port") from None
