"""A request to stop, made in one thread and obeyed by the process that another one runs."""

import contextlib
import threading
from collections.abc import Iterator

from pipeline.orchestration.processes.guarded import Guarded


class Stop:
    """A request to stop, and the processes that it ends."""

    def __init__(self) -> None:
        self.event = threading.Event()
        self._running: set[Guarded] = set()
        self._lock = threading.Lock()

    def request(self) -> None:
        with self._lock:
            self.event.set()
            for process in self._running:
                process.stop()

    @contextlib.contextmanager
    def ends(self, process: Guarded) -> Iterator[Guarded]:
        """Within the block a request ends the process; after it, it has ended."""
        with self._lock:
            self._running.add(process)
            if self.event.is_set():
                process.stop()
        try:
            with process:
                yield process
        finally:
            with self._lock:
                self._running.discard(process)
