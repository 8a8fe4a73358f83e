"""Independent pieces of work side by side, in threads of this process.

Small products hardly gain from several cores, so pieces on a core each end sooner, and what a piece computes
does not depend on how many cores there are.
"""

import ctypes
import threading
from collections.abc import Callable, Iterable
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from typing import TypeVar

import torch

Item = TypeVar("Item")
Result = TypeVar("Result")


class _AbandonedError(BaseException):
    """Raised in threads whose result nobody waits for any more."""


def side_by_side(work: Callable[[Item], Result], items: Iterable[Item], most: int) -> list[Result]:
    """`work` of every item, in the order of the items; `most` at a time, and no more than torch has threads
    here, which they share.

    The first exception of a piece, or a stop of this process, ends the others at their next line of Python.
    """
    items, cores = list(items), torch.get_num_threads()
    count = max(1, min(most, cores, len(items)))
    at_work: set[int] = set()

    def run(item: Item) -> Result:
        at_work.add(threading.get_ident())
        try:
            return work(item)
        finally:
            at_work.discard(threading.get_ident())

    with ThreadPoolExecutor(count, "side by side", torch.set_num_threads, (cores // count,)) as executor:
        futures = [executor.submit(run, item) for item in items]
        try:
            for future in wait(futures, return_when=FIRST_EXCEPTION).done:
                future.result()
            return [future.result() for future in futures]
        except BaseException:
            executor.shutdown(wait=False, cancel_futures=True)
            for thread in list(at_work):
                _raise_in(thread, _AbandonedError)
            raise
        finally:
            torch.set_num_threads(cores)  # for what comes next: of MKL's threads there is one number for all


def _raise_in(thread: int, kind: type[BaseException]) -> None:
    ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread), ctypes.py_object(kind))
