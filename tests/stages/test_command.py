"""How stages start: help, refused arguments, one way to be watched."""

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from conftest import REPOSITORY

from pipeline.files import InputError
from stages import __main__ as command_line
from stages import command


def start(*words: str, cwd: Path = REPOSITORY, **variables: str) -> "subprocess.CompletedProcess[str]":
    kept = {key: value for key, value in os.environ.items() if not key.startswith("PREFECT_")}
    return subprocess.run(
        [sys.executable, "-X", "importtime", "-m", *words],
        cwd=cwd,
        env=kept | {"PYTHONPATH": str(REPOSITORY)} | variables,
        capture_output=True,
        text=True,
    )


def modules(done: "subprocess.CompletedProcess[str]") -> set[str]:
    """What was imported, from Python's own listing."""
    times = [line for line in done.stderr.splitlines() if line.startswith("import time:")]
    return {line.split("|")[-1].strip() for line in times}


@pytest.mark.parametrize("words", [("stages.prepare",), ("stages", "prepare")])
def test_help_is_the_docstring_and_other_words_are_refused(words, tmp_path):
    shown = start(*words, "--help", cwd=tmp_path)
    assert shown.returncode == 0
    assert shown.stdout.startswith(f"usage: python -m {' '.join(words)} [-h]")
    assert command_line.docstring("prepare") in shown.stdout
    refused = start(*words, "--steps", "3", cwd=tmp_path)
    assert refused.returncode == 2 and "unrecognized arguments: --steps 3" in refused.stderr
    assert list(tmp_path.iterdir()) == []


def test_without_a_stage_the_stages_of_the_graph_are_listed_quickly():
    shown = start("stages")
    assert shown.returncode == 0
    graph = yaml.safe_load((REPOSITORY / "dvc.yaml").read_text())["stages"]
    assert tuple(graph) == command_line.STAGES
    assert all(f"\n    {stage}" in shown.stdout for stage in graph)
    assert not modules(shown) & {"torch", "prefect", "pandas", "dvc"}
    assert all(entry["cmd"] == f"python -m stages {stage}" for stage, entry in graph.items())
    assert start("stages", "prepair").returncode == 2


def test_a_stage_started_alone_knows_no_orchestration(tmp_path):
    (tmp_path / "params.yaml").write_text("data: 1\n")
    done = start("stages.prepare", cwd=tmp_path, PREFECT_API_URL="http://127.0.0.1:9/api")
    assert done.returncode == 2 and "error: " in done.stderr
    assert not any(name.startswith(("pipeline.orchestration", "prefect")) for name in modules(done))


@contextlib.contextmanager
def unhandled() -> Iterator[None]:
    """This process handles signals and exceptions after the block as before it."""
    numbers = (signal.SIGTERM, signal.SIGINT)
    handlers, hooks = [signal.getsignal(number) for number in numbers], (sys.excepthook, sys.unraisablehook)
    try:
        yield
    finally:
        for number, handler in zip(numbers, handlers, strict=True):
            signal.signal(number, handler)
        sys.excepthook, sys.unraisablehook = hooks


def test_a_stage_is_observed_while_it_works_and_told_how_it_ended():
    events = []

    @contextlib.contextmanager
    def observer() -> Iterator[None]:
        events.append("began")
        try:
            yield
        except InputError as error:
            events.append(str(error))
            raise

    def work() -> None:
        events.append("worked")
        raise InputError("no images")

    with unhandled(), pytest.raises(SystemExit) as left:
        command.call(work, observer)
    assert left.value.code == 1 and events == ["began", "worked", "no images"]


def test_a_dashboard_that_does_not_answer_costs_one_line(tmp_path):
    (tmp_path / "params.yaml").write_text("- no section\n")
    done = start("stages", "prepare", cwd=tmp_path, PREFECT_API_URL="http://127.0.0.1:9/api")
    said = [line for line in done.stderr.splitlines() if not line.startswith("import time:")]
    assert said[0] == "observe: nothing at http://127.0.0.1:9/api; going on without"
    assert len(said) == 2 and said[1].startswith("error: ") and done.returncode == 2
    assert "prefect" not in modules(done)
