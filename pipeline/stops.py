"""Bodies that a stop does not cut short, such as the removal of temporary files: it comes at their end."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager


class _Main:
    """Of the main thread, which alone handles signals: bodies at work, and the stop that waits for them."""

    bodies = 0
    stop: BaseException | None = None


@contextmanager
def finish_first() -> Iterator[None]:
    """A stop that arrives in the body takes effect after it."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    _Main.bodies += 1
    try:
        yield
    finally:
        _Main.bodies -= 1
        if _Main.stop is not None and not _Main.bodies:
            stop, _Main.stop = _Main.stop, None
            raise stop


def stop(error: BaseException) -> None:
    """Raise the error now, or at the end of the bodies at work. For the handler of a signal."""
    if not _Main.bodies:
        raise error
    _Main.stop = error
