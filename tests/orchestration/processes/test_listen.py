"""A listener gets every line and the progress that the command's own children report."""

import sys
import threading
from pathlib import Path

from conftest import REPOSITORY

from pipeline.orchestration.processes.guarded import environment
from pipeline.orchestration.processes.listen import Listener, Reader, run_command, watched_stages
from pipeline.orchestration.processes.stop import Stop
from pipeline.progress import VARIABLE, Progress

REPORTER = """
import subprocess, sys
child = "from pipeline.progress import report; [report('embed', done, 10, 'images') for done in (5, 10)]"
subprocess.run([sys.executable, "-c", child], check=True)
print("Running stage 'embed':", flush=True)
sys.exit(3)
"""


class Recorder(Listener):
    def __init__(self) -> None:
        self.lines: list[str] = []
        self.reports: list[Progress] = []

    def line(self, text: str) -> None:
        self.lines.append(text)

    def progress(self, progress: Progress) -> None:
        self.reports.append(progress)


def test_lines_progress_and_status_come_through_a_reader(tmp_path):
    recorder = Recorder()
    reader = Reader(recorder)
    variables = environment(PYTHONPATH=str(REPOSITORY))
    status = run_command((sys.executable, "-c", REPORTER), tmp_path, variables, Stop(), reader)
    assert status == 3 and recorder.lines == ["Running stage 'embed':"]
    assert reader.reading.ran == ["embed"]
    assert recorder.reports[-1] == Progress("embed", 10, 10, "images", {})  # the last one is never missed


def test_the_newest_report_is_shown_while_the_command_still_runs(monkeypatch, tmp_path):
    arrived = threading.Event()

    class Waiting(Recorder):
        def progress(self, progress: Progress) -> None:
            super().progress(progress)
            arrived.set()

    waiting = Waiting()
    with watched_stages(waiting, tmp_path) as variables:
        monkeypatch.setenv(VARIABLE, variables[VARIABLE])
        from pipeline.progress import report

        report("pretrain", 1, 2, "steps")
        assert arrived.wait(60)
        report("pretrain", 2, 2, "steps")
    assert [progress.done for progress in waiting.reports] == [1, 2]


def test_a_listener_looks_at_the_commands_folder_before_it_starts_and_after_it_ended(tmp_path):
    class Looking(Listener):
        def __init__(self) -> None:
            self.found: list[list[str]] = []

        def look(self, folder: Path) -> None:
            self.found.append([file.name for file in folder.iterdir()])

    looking = Looking()
    script = "open('training.csv', 'w').close()"
    assert run_command((sys.executable, "-c", script), tmp_path, environment(), Stop(), Reader(looking)) == 0
    assert looking.found[0] == [] and looking.found[-1] == ["training.csv"]
