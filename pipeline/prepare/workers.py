"""Work for several processes whose results come back in order, and a progress line.

The order and the content of the results never depend on the number of workers. A few tasks are in flight at a
time, so that a fast worker cannot fill the memory with results that nobody has taken yet.
"""

import multiprocessing
import os
import signal
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import closing, contextmanager
from itertools import chain, islice
from multiprocessing import forkserver, resource_tracker
from multiprocessing.context import BaseContext
from typing import Any, TypeVar

from tqdm import tqdm

from pipeline.files import InputError
from pipeline.progress import report

T = TypeVar("T")
IN_FLIGHT = 2  # tasks per worker that are handed out and not yet taken back


def num_workers(requested: int) -> int:
    """The number of processes: `requested`, or for 0 one per core that this process may use."""
    if requested:
        return requested
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@contextmanager
def map_in_order(
    function: Callable[..., T], tasks: Iterable[tuple[Any, ...]], workers: int
) -> Iterator[Iterator[T]]:
    """Yield an iterator over function(*task), in the order of `tasks`, computed by `workers` processes.

    One worker, or one task: in this process. What a worker raises is raised here; where one is killed it is
    an InputError. The processes are gone when the context ends, however it ends.
    """
    remaining = iter(tasks)
    first = list(islice(remaining, workers))
    workers, remaining = min(workers, len(first)), chain(first, remaining)
    if workers <= 1:
        yield (function(*task) for task in remaining)
        return
    context = _process_context(function.__module__)
    pool = ProcessPoolExecutor(workers, mp_context=context, initializer=_start_worker)
    try:
        with closing(_results(pool, function, remaining, workers)) as results:
            yield results
    finally:
        pool.shutdown(cancel_futures=True)


def _results(
    pool: ProcessPoolExecutor, function: Callable[..., T], tasks: Iterator[tuple[Any, ...]], workers: int
) -> Generator[T, None, None]:
    waiting: deque[Future[T]] = deque()
    try:
        for task in tasks:
            with _delay_ctrl_c():  # half-started processes would outlive the pool
                waiting.append(pool.submit(function, *task))
            if len(waiting) >= IN_FLIGHT * workers:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    except BrokenProcessPool:
        raise InputError(
            "a worker process was killed, most often for lack of memory; set runtime.workers lower"
        ) from None


def _process_context(module: str) -> BaseContext:
    """How processes start. Not by fork: the copy of a process that has threads (torch, the bar) can hang."""
    if "forkserver" not in multiprocessing.get_all_start_methods():
        return multiprocessing.get_context("spawn")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([module])  # imported once, not by every worker
    resource_tracker.ensure_running()  # first, because starting it would lift the block of Ctrl-C
    with _delay_ctrl_c():  # the server inherits this, or Ctrl-C would show where its imports stood
        forkserver.ensure_running()
    return context


@contextmanager
def _delay_ctrl_c() -> Iterator[None]:
    """Ctrl-C in the body takes effect after it, and never in a process that the body starts."""
    if threading.current_thread() is not threading.main_thread() or not hasattr(signal, "pthread_sigmask"):
        yield
        return
    caught: list[int] = []
    handler = signal.signal(signal.SIGINT, lambda number, _: caught.append(number))
    # The mask alone would do for the new process, not for this one: any of its threads may take the signal.
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        signal.signal(signal.SIGINT, handler)
        if caught:
            signal.raise_signal(signal.SIGINT)


def _start_worker() -> None:
    """Ctrl-C is the parent's to handle; a worker ends with its parent, even one that was killed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def chunks_of(items: Iterable[T], length: int) -> Iterator[list[T]]:
    """Lists of `length` items in order; the last may be shorter."""
    remaining = iter(items)
    while chunk := list(islice(remaining, length)):
        yield chunk


class Progress:
    """A bar with the time left on a terminal; elsewhere one line every `log_seconds`."""

    def __init__(self, name: str, total: int, log_seconds: float) -> None:
        self.name = name
        self.total = total
        self.log_seconds = log_seconds
        self.done = 0
        self._bar: Any = tqdm(total=total, desc=name, unit=" images", disable=not sys.stderr.isatty())
        self._last_line = time.monotonic()

    def __enter__(self) -> "Progress":
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.close()

    def update(self, count: int) -> None:
        """`count` more images are done."""
        self.done += count
        self._bar.update(count)
        report(self.name, self.done, self.total, "images")
        if self._bar.disable and time.monotonic() - self._last_line >= self.log_seconds:
            self._last_line = time.monotonic()
            self.print_line(f"{self.name}: {self.done:,} of {self.total:,} images")

    def print_line(self, line: str) -> None:
        """Print a line to stderr, above the bar where there is one."""
        tqdm.write(f"{line}\n", file=sys.stderr, end="")  # a stop between two writes would join two lines
