"""SIGTERM as Ctrl-C: what is running is asked to save its state and to end."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager

from pipeline import exits


@contextmanager
def terminated() -> Iterator[None]:
    """SIGTERM ends the block with KeyboardInterrupt."""

    def interrupt(number: int, _: object) -> None:
        exits.signal_caught(number)  # for the exit status
        raise exits.Interrupted

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
