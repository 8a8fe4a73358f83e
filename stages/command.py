"""How a stage starts and how it fails: one line and an exit status for a user's mistake."""

import argparse
import ctypes
import errno
import os
import signal
import sys
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

from pipeline import params
from pipeline.files import InputError

Main = Callable[[params.Params, Path], None]
Observer = Callable[[], AbstractContextManager[object]]  # entered while a stage works


class StoppedError(BaseException):
    """SIGTERM arrived: unwinds the stack, so that temporary files and workers are cleaned up."""


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
    """Do the work of a stage and exit.

    Status 0: done. 2: a mistake in params.yaml. 1: any other mistake that has a name, and a full disk.
    128 + n: stopped by signal n. A traceback means a fault of ours.
    """
    signal.signal(signal.SIGTERM, _stop)
    _end_with_parent()
    try:
        with observer():
            work()
    except InputError as error:
        _exit(str(error), error.exit_status)
    except KeyboardInterrupt:
        _exit("stopped by Ctrl-C; nothing half-written was kept", 128 + signal.SIGINT)
    except StoppedError:
        _exit("stopped by SIGTERM; nothing half-written was kept", 128 + signal.SIGTERM)
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            raise
        place = f" while writing {error.filename}" if error.filename else ""
        _exit(f"the disk is full{place} ({error.strerror}); nothing half-written was kept", 1)


def _program() -> str:
    specification = getattr(sys.modules["__main__"], "__spec__", None)
    return f"python -m {specification.name}" if specification else Path(sys.argv[0]).name


def _end_with_parent() -> None:
    """Where a sweep started it (DIE_WITH_PARENT), on Linux: SIGTERM when this process's parent dies."""
    if os.environ.get("DIE_WITH_PARENT") and sys.platform == "linux":
        PR_SET_PDEATHSIG = 1
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)


def _stop(_number: int, _frame: object) -> None:
    raise StoppedError


def _exit(message: str, status: int) -> None:
    print(f"error: {message}", file=sys.stderr)
    sys.exit(status)
