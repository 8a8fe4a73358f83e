"""The stages open no connection: what they need lies on the disk."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from conftest import REPOSITORY, SMALL, default_tree, override

from stages.__main__ import STAGES

# Python imports a module of this name when it starts. The hook sees connections and names that are looked up
# by whatever library, and names them in a file, as a library may take no network for an answer.
GUARD = """
import os, sys

LOCAL = ("127.0.0.1", "::1", "localhost", None, "")


def watch(event, arguments):
    address = None
    if event == "socket.connect" and isinstance(arguments[1], tuple):
        address = arguments[1][0]
    elif event in ("socket.getaddrinfo", "socket.gethostbyname"):
        address = arguments[0]
    elif event == "socket.sendto" and isinstance(arguments[1], tuple):
        address = arguments[1][0]
    if address not in LOCAL:
        with open(os.environ["CONNECTIONS"], "a") as handle:
            print(event, address, sys.argv, file=handle)
        raise OSError(101, f"this test has no network: {event} {address}")


sys.addaudithook(watch)
"""


def variables(folder: Path) -> dict[str, str]:
    (folder / "sitecustomize.py").write_text(GUARD)
    kept = {key: value for key, value in os.environ.items() if not key.startswith("PREFECT_")}
    path = f"{folder}{os.pathsep}{REPOSITORY}"
    return kept | {"PYTHONPATH": path, "CONNECTIONS": str(folder / "connections"), "OMP_NUM_THREADS": "1"}


def test_the_guard_sees_a_connection(tmp_path):
    script = "import urllib.request; urllib.request.urlopen('http://192.0.2.1', timeout=1)"
    command = [sys.executable, "-c", script]
    done = subprocess.run(command, env=variables(tmp_path), capture_output=True, text=True)
    assert done.returncode == 1 and "this test has no network" in done.stderr
    assert "192.0.2.1" in (tmp_path / "connections").read_text()


@pytest.mark.slow
def test_no_stage_opens_a_connection(tmp_path):
    project = tmp_path / "project"
    project.mkdir()
    (project / "params.yaml").write_text(yaml.safe_dump(override(default_tree(), SMALL)))
    (project / "dvc.yaml").write_text((REPOSITORY / "dvc.yaml").read_text())
    for stage in STAGES:
        command = [sys.executable, "-m", "stages", stage]
        done = subprocess.run(command, cwd=project, env=variables(tmp_path), capture_output=True, text=True)
        assert done.returncode == 0, f"{stage}: {done.stderr}"
    assert (project / "reports/index.html").exists()
    assert not (tmp_path / "connections").exists(), (tmp_path / "connections").read_text()
