"""A command run to its end while a listener gets its lines and the progress that stages report."""

import contextvars
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pipeline.orchestration.processes.guarded import Guarded
from pipeline.orchestration.processes.lines import Reading
from pipeline.orchestration.processes.stop import Stop
from pipeline.progress import VARIABLE, Progress, ProgressFile

LOOK_SECONDS = 1.0  # between looks at the file


class Listener:
    """Gets what a command says. This one ignores it."""

    def line(self, text: str) -> None:
        """A line of output, without its end."""

    def progress(self, progress: Progress) -> None:
        """How far a stage is; called from another thread than `line`."""

    def look(self, folder: Path) -> None:
        """Called before the command starts, every so often, and when it has ended: what it wrote in the
        folder where it works may have grown."""


class Reader(Listener):
    """Reads the lines, and passes everything on to another listener."""

    def __init__(self, listener: Listener) -> None:
        self.reading, self.listener = Reading(), listener

    def line(self, text: str) -> None:
        self.reading.read(text)
        self.listener.line(text)

    def progress(self, progress: Progress) -> None:
        self.listener.progress(progress)

    def look(self, folder: Path) -> None:
        self.listener.look(folder)


def run_command(
    command: tuple[str, ...], folder: Path, variables: dict[str, str], stop: Stop, listener: Listener
) -> int:
    """The exit status of a command that ran under a guard; a request to stop ends it."""
    with (
        watched_stages(listener, folder) as file,
        stop.ends(Guarded(command, folder, variables | file)) as process,
    ):
        for line in process:
            listener.line(line)
        return process.wait()


@contextmanager
def watched_stages(listener: Listener, folder: Path) -> Iterator[dict[str, str]]:
    """Within the block, and once more at its end, pass on the newest report and have the listener look, which
    looks once before.

    Yields the environment in which stages report.
    """
    over = threading.Event()
    with tempfile.TemporaryDirectory(prefix="progress.") as reports:
        file = ProgressFile(Path(reports) / "reports")

        def look() -> None:
            newest = file.newest()
            if newest is not None:
                listener.progress(newest)
            listener.look(folder)

        def keep_looking() -> None:
            while not over.wait(LOOK_SECONDS):
                look()
            look()

        listener.look(folder)
        # In a copy of this context, by which Prefect knows the run that an artifact belongs to.
        context = contextvars.copy_context()
        thread = threading.Thread(target=context.run, args=(keep_looking,), daemon=True)
        thread.start()
        try:
            yield {VARIABLE: str(file.path)}
        finally:
            over.set()
            thread.join()
