"""A dashboard that is up, and questions to its API."""

import base64
import json
import os
import socket
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.orchestration.mini_project import start


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@contextmanager
def dashboard(folder: Path, *words: str) -> Iterator[list[str]]:
    """The lines that it printed until it was up."""
    process = start(folder, "dashboard", "--port", str(free_port()), *words)
    assert process.stdout is not None
    lines = []
    for line in process.stdout:
        lines.append(line)
        if "Ctrl-C ends it" in line:
            break
    try:
        yield lines
    finally:
        process.terminate()
        rest = process.communicate()[0]
    assert "Traceback" not in rest and process.returncode == 0


def address(project: Path) -> str:
    return (project / ".prefect/address").read_text().strip()


def ask(project: Path, path: str, **body: Any) -> Any:
    headers = {"content-type": "application/json"}
    if token := os.environ.get("PREFECT_API_AUTH_STRING"):
        headers["authorization"] = f"Basic {base64.b64encode(token.encode()).decode()}"
    request = urllib.request.Request(f"{address(project)}/{path}", json.dumps(body).encode(), headers)
    with urllib.request.urlopen(request) as reply:
        return json.load(reply)
