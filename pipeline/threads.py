"""Independent pieces of work side by side, in threads of this process.

Small products hardly gain from several cores, so pieces on a core each end sooner.
"""

import ctypes
import threading
from collections.abc import Callable, Iterable
from contextlib import suppress
from queue import Empty, SimpleQueue
from typing import TypeVar

import torch

Item = TypeVar("Item")
Result = TypeVar("Result")


class _AbandonedError(SystemExit):
    """Raised in threads whose results nobody waits for any more. A thread that it ends says nothing."""


def side_by_side(work: Callable[[Item], Result], items: Iterable[Item], most: int) -> list[Result]:
    """`work` of every item, in the order of the items; `most` at a time, and no more than torch has threads
    here, which they share.

    The first exception of a piece, or a stop of this process, ends the others at their next line of Python.
    """
    items, cores = list(items), torch.get_num_threads()
    count = max(1, min(most, cores, len(items)))
    places = iter(range(len(items)))
    results: dict[int, Result] = {}
    ended: SimpleQueue[BaseException | None] = SimpleQueue()
    abandoned = False

    def drain() -> None:
        with suppress(_AbandonedError):
            torch.set_num_threads(cores // count)
            for place in places:
                if abandoned:
                    return
                error = None
                try:
                    results[place] = work(items[place])
                except BaseException as raised:
                    error = raised
                ended.put(error)

    # Not a ThreadPoolExecutor: a stop that arrives inside its methods leaves its locks taken, and it hangs.
    threads = [threading.Thread(target=drain) for _ in range(count)]
    try:
        for thread in threads:
            thread.start()
        for _ in items:
            error = _get(ended)
            if error is not None:
                raise error
    except BaseException:
        abandoned = True
        for thread in threads:
            if thread.is_alive():
                _raise_in(thread, _AbandonedError)
        raise
    finally:
        for thread in threads:
            if thread.is_alive():
                thread.join()
        torch.set_num_threads(cores)  # for what comes next: of MKL's threads there is one number for all
    return [results[place] for place in range(len(items))]


def _get(ended: "SimpleQueue[BaseException | None]") -> BaseException | None:
    """The next entry. A stop that arrives just before a wait does not end it, so no wait is long."""
    while True:
        with suppress(Empty):
            return ended.get(timeout=0.5)


def _raise_in(thread: threading.Thread, kind: type[BaseException]) -> None:
    ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread.ident or 0), ctypes.py_object(kind))
