"""Work that several cells need and one of them does: preparing data, training the dense twin."""

import fcntl
import os
from pathlib import Path

from pipeline.orchestration.processes.stop import Stop

POLL = 0.2  # seconds between looks at a lock or at the request to stop


class Once:
    """One cell's part in a piece of shared work: it does the work, or waits for the cell that does.

    marker: a file that exists once the work is done. Beside it lies a lock. The lock ends with its holder:
    where a cell fails or is killed at the work, the next cell takes it.
    """

    def __init__(self, marker: Path, stop: Stop) -> None:
        marker.parent.mkdir(parents=True, exist_ok=True)
        self.marker, self.stop = marker, stop
        self._handle = os.open(marker.with_suffix(".lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC)

    def done(self) -> bool:
        """Whether the work is done."""
        return self.marker.exists()

    def take(self) -> bool:
        """Whether the work falls to this cell: it is not done, and no other cell is at it."""
        if self.done():
            return False
        try:
            fcntl.flock(self._handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return not self.done()  # another cell may have done it between the look and the lock

    def wait(self) -> bool:
        """Wait until the work is done, or falls to this cell (True), or a stop is requested."""
        while not self.done() and not self.stop.event.is_set():
            if self.take():
                return True
            self.stop.event.wait(POLL)
        return False

    def finish(self) -> None:
        """Say that the work is done, so that the others go on."""
        if not self.done():
            self.marker.touch()

    def __enter__(self) -> "Once":
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._handle)
