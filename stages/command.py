"""How a stage starts and how it fails: one line and an exit status for a user's mistake."""

import argparse
import ctypes
import os
import signal
import sys
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

from pipeline import exits, params

Main = Callable[[params.Params, Path], None]
Observer = Callable[[], AbstractContextManager[object]]  # entered while a stage works


def run(main: Main, observer: Observer = nullcontext, arguments: Sequence[str] | None = None) -> None:
    """Call `main(params, root)` with params.yaml of the current folder, and exit as `call` does.

    A stage takes no arguments but --help, which prints the docstring of the module that Python was started
    with. arguments: those of the command line, where they are not this process's own.
    """
    parser = argparse.ArgumentParser(
        prog=_program(),
        description=f"{sys.modules['__main__'].__doc__}\n\nIt reads params.yaml of the current folder.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.parse_args(arguments)
    root = Path()
    call(lambda: main(params.load(root / "params.yaml"), root), observer)


def call(work: Callable[[], None], observer: Observer = nullcontext) -> None:
    """Do the work of a stage and exit, with the status that `pipeline.exits.run` says."""

    def observed() -> int:
        with observer():
            work()
        number = exits.caught()  # what we called lost the exception: the work is done and yet was stopped
        return exits.fail(exits.stopped_by(number), 128 + number) if number else 0

    _end_with_parent()
    status = exits.run(observed)
    if status:
        sys.exit(status)


def _program() -> str:
    specification = getattr(sys.modules["__main__"], "__spec__", None)
    return f"python -m {specification.name}" if specification else Path(sys.argv[0]).name


def _end_with_parent() -> None:
    """Where a sweep started it (DIE_WITH_PARENT), on Linux: SIGTERM when this process's parent dies."""
    if os.environ.get("DIE_WITH_PARENT") and sys.platform == "linux":
        PR_SET_PDEATHSIG = 1
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
