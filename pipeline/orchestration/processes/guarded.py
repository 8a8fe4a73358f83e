"""Commands under a guard (guard.py), read line by line, that others can stop."""

import contextlib
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import psutil

from pipeline.orchestration.processes import guard

DVC = (sys.executable, "-m", "dvc")


class Guarded:
    """A command in a session of its own that ends, with all its descendants, when this process does.

    Iterating gives its output, standard error included, line by line without the line's end.
    """

    def __init__(self, command: tuple[str, ...], cwd: Path, environment: dict[str, str]) -> None:
        read, self._lifeline = os.pipe()
        self._lock, self._ended = threading.Lock(), threading.Event()
        self.process = subprocess.Popen(
            [sys.executable, "-I", guard.__file__, str(read), *command],
            cwd=cwd,
            env=environment,
            pass_fds=[read],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            text=True,
            errors="replace",
        )
        os.close(read)
        threading.Thread(target=self._end_group, daemon=True).start()

    def __iter__(self) -> Iterator[str]:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            yield line.rstrip()

    def stop(self) -> None:
        """Ask the guard to end the command; returns at once, and may be called again."""
        with self._lock:
            if self._lifeline >= 0:
                os.close(self._lifeline)
                self._lifeline = -1

    def wait(self) -> int:
        """The command's exit status, 128 + n after signal n."""
        # An event: a thread whose join Ctrl-C interrupts counts as ended afterwards.
        while not self._ended.wait(guard.LONGEST_WAIT):
            pass
        return self.process.returncode if self.process.returncode >= 0 else 128 - self.process.returncode

    def __enter__(self) -> "Guarded":
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
        self.wait()

    def _end_group(self) -> None:
        """A guard that was itself killed leaves its group behind."""
        self.process.wait()
        with contextlib.suppress(ProcessLookupError, PermissionError):  # macOS: EPERM for a group of zombies
            os.killpg(self.process.pid, signal.SIGKILL)
        self._ended.set()


def environment(**changes: str) -> dict[str, str]:
    """This process's environment for a stage: this Python first in the PATH, and no reporting of its own (the
    run that starts it reports it)."""
    kept = {key: value for key, value in os.environ.items() if key != "PREFECT_API_URL"}
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', os.defpath)}"
    return kept | {"PATH": path, "PYTHONUNBUFFERED": "1", "DIE_WITH_PARENT": "1"} | changes


def end_inside(folder: Path) -> int:
    """End every process of this user that works in `folder`; returns how many there were."""
    folder, processes = folder.resolve(), []
    for process in psutil.process_iter():
        try:
            inside = Path(process.cwd()).is_relative_to(folder)
        except (psutil.Error, OSError):
            continue
        if inside and process.pid != os.getpid():
            processes.append(process)
    guard.end(processes, grace=5.0)
    return len(processes)
