"""A Prefect server whose database lies in the project, quiet and offline: started, looked for, connected to.

Nothing here imports Prefect.
"""

import base64
import contextlib
import errno
import http.client
import ipaddress
import json
import logging
import os
import secrets
import socket
import sys
import threading
import time
import urllib.error
import urllib.request
from logging.handlers import RotatingFileHandler
from pathlib import Path

from pipeline.files import InputError
from pipeline.orchestration.processes.guarded import Guarded, environment
from pipeline.orchestration.processes.stop import Stop
from pipeline.orchestration.processes.terminate import terminated

HOME = Path(".prefect")
ADDRESS = HOME / "address"
TOKEN = HOME / "token"
SERVER_TOKEN, CLIENT_TOKEN = "PREFECT_SERVER_API_AUTH_STRING", "PREFECT_API_AUTH_STRING"
LOG_BYTES = 10_000_000  # of server.log, before it becomes server.log.1
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

    A host that other machines reach is guarded by a token. Raises InputError where the host is none, the port
    is taken or the server does not start.
    """
    _require_free(host, port)
    url = f"http://{_reached_at(host)}:{port}/api"
    (root / HOME).mkdir(exist_ok=True)
    token = os.environ.get(SERVER_TOKEN) or (None if is_loopback(host) else _kept_token(root / TOKEN))
    variables = environment(
        **SETTINGS,
        PREFECT_HOME=str((root / HOME).resolve()),
        PREFECT_SERVER_API_HOST=host,
        PREFECT_SERVER_API_PORT=str(port),
        PREFECT_SERVER_UI_API_URL="/api",  # whatever name the page was opened by
        PREFECT_SERVER_CORS_ALLOWED_ORIGINS=page(url),
        **({SERVER_TOKEN: token, CLIENT_TOKEN: token} if token else {}),
    )
    command = (sys.executable, "-m", "pipeline.orchestration.prefect.same_origin", host, str(port))
    print("dashboard: starting (10 to 30 seconds)", flush=True)
    stop, log = Stop(), root / HOME / "server.log"
    with (
        terminated(),
        contextlib.closing(ServerLog(log, mode="w", maxBytes=LOG_BYTES, backupCount=1)) as handler,
        stop.ends(Guarded(command, root, variables)) as process,
    ):
        _drain(process, handler)
        until = time.monotonic() + START_SECONDS
        while trouble(url, token) is not None:
            if process.process.poll() is not None or time.monotonic() > until:
                raise InputError(f"the server did not start; its log is {log}")
            time.sleep(0.3)
        _write_private(root / ADDRESS, url)
        _say_where(host, url, token)
        try:
            return process.wait()
        except KeyboardInterrupt:
            return 0
        finally:
            (root / ADDRESS).unlink(missing_ok=True)


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches it."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"


def running(root: Path) -> str | None:
    """The API's URL of a server that answers: PREFECT_API_URL's, else that of this project's dashboard."""
    url, token = _asked(root)
    return url if url and trouble(url, token) is None else None


def trouble(url: str, token: str | None) -> str | None:
    """Why the Prefect server at the API's URL is of no use, within two seconds; None: it answers."""
    request = urllib.request.Request(f"{url}/admin/version")  # unlike /health it asks for the token
    if token:
        request.add_header("Authorization", f"Basic {base64.b64encode(token.encode()).decode()}")
    try:
        with urllib.request.urlopen(request, timeout=2) as reply:
            return None if isinstance(json.load(reply), str) else f"no Prefect at {url}"
    except urllib.error.HTTPError as error:
        return f"{url} asks for the token in {CLIENT_TOKEN}" if error.code == 401 else f"no Prefect at {url}"
    except (OSError, ValueError, http.client.HTTPException):
        return f"nothing at {url}"


def connect(root: Path) -> str | None:
    """Point Prefect, before it is imported, at a server that answers; where none does, one line says so."""
    url, token = _asked(root)
    problem = trouble(url, token) if url else "not up (`python -m pipeline dashboard` starts it)"
    if url is None or problem is not None:
        print(f"dashboard: {problem}; going on without", flush=True)
        return None
    for key, value in SETTINGS.items():
        os.environ.setdefault(key, value)
    if token:
        os.environ[CLIENT_TOKEN] = token
    os.environ["PREFECT_API_URL"] = url
    os.environ.setdefault("PREFECT_HOME", str((root / HOME).resolve()))
    return url


def page(url: str) -> str:
    """The address of the pages that belong to an API."""
    return url.removesuffix("/api")


class ServerLog(RotatingFileHandler):
    """What the server prints, the last of it."""

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802
        """A full disk costs lines of the log, and not the server, which would wait for someone to read."""


def _drain(process: Guarded, log: ServerLog) -> None:
    def copy() -> None:
        for line in process:
            log.handle(logging.makeLogRecord({"msg": line}))

    threading.Thread(target=copy, daemon=True).start()


def _say_where(host: str, url: str, token: str | None) -> None:
    exports = f"PREFECT_API_URL={url}"
    print(f"dashboard: {page(url)}", flush=True)
    if token:
        exports += f" {CLIENT_TOKEN}='{token}'"
        print(f"dashboard: the page asks for this token, kept in {TOKEN}: {token}", flush=True)
    if not is_loopback(host):
        print(
            f"dashboard: --host {host} lets other machines in: who has the token can start and cancel runs "
            "here, and it travels unencrypted",
            flush=True,
        )
    print(f"dashboard: for plain `dvc repro` and `dvc exp run`: export {exports}", flush=True)
    print("dashboard: Ctrl-C ends it; what it shows is kept in .prefect/", flush=True)


def _asked(root: Path) -> tuple[str | None, str | None]:
    """The API's URL and the token of the server to look for, as the environment or the project has them."""
    given, token = os.environ.get("PREFECT_API_URL"), os.environ.get(CLIENT_TOKEN)
    written = _read(root / ADDRESS)
    return given or written, token or (_read(root / TOKEN) if given in (None, "", written) else None)


def _read(path: Path) -> str | None:
    """The line of a file; None where there is none, or another user's."""
    try:
        return path.read_text().strip() or None
    except (FileNotFoundError, PermissionError):
        return None


def _kept_token(path: Path) -> str:
    """The project's token, which outlives the server: it stands in exports and in browsers."""
    token = _read(path) or f"sparsejepa:{secrets.token_urlsafe(24)}"
    _write_private(path, token)
    return token


def _write_private(path: Path, text: str) -> None:
    """A file that only this user can read."""
    path.unlink(missing_ok=True)
    path.touch(mode=0o600, exist_ok=False)
    path.write_text(text + "\n")


def _reached_at(host: str) -> str:
    """How a URL of this machine names a host to bind to."""
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)
    return f"[{host}]" if ":" in host else host


def _require_free(host: str, port: int) -> None:
    try:
        if not host:
            raise socket.gaierror(socket.EAI_NONAME, "no address")
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    except (socket.gaierror, UnicodeError) as error:
        raise InputError(f"--host {host}: {getattr(error, 'strerror', error)}") from None
    with socket.socket(family, kind, protocol) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(address)
        except OSError as error:
            name = "--host" if error.errno == errno.EADDRNOTAVAIL else "--port"
            value = host if name == "--host" else port
            raise InputError(f"{name} {value}: {error.strerror}; choose another with {name}") from None
