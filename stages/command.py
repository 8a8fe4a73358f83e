"""How a stage starts and how it fails: one line and an exit status for a user's mistake."""

import ctypes
import errno
import importlib
import os
import signal
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

from pipeline import params
from pipeline.files import InputError

Main = Callable[[params.Params, Path], None]


class StoppedError(BaseException):
    """SIGTERM arrived: unwinds the stack, so that temporary files and workers are cleaned up."""


def run(main: Main) -> None:
    """Call `main(params, root)` with params.yaml of the current folder, and exit as `call` does."""
    root = Path()
    call(lambda: main(params.load(root / "params.yaml"), root))


def call(work: Callable[[], None]) -> None:
    """Do the work of a stage and exit.

    Status 0: done. 2: a mistake in params.yaml. 1: any other mistake that has a name, and a full disk.
    128 + n: stopped by signal n. A traceback means a fault of ours.
    """
    signal.signal(signal.SIGTERM, _stop)
    _end_with_parent()
    try:
        with _observed():
            work()
    except InputError as error:
        _leave(str(error), error.exit_status)
    except KeyboardInterrupt:
        _leave("stopped by Ctrl-C; nothing half-written was kept", 128 + signal.SIGINT)
    except StoppedError:
        _leave("stopped by SIGTERM; nothing half-written was kept", 128 + signal.SIGTERM)
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            raise
        place = f" while writing {error.filename}" if error.filename else ""
        _leave(f"the disk is full{place} ({error.strerror}); nothing half-written was kept", 1)


def _observed() -> AbstractContextManager[None]:
    """On the dashboard where PREFECT_API_URL names one; without it nothing of Prefect is imported.

    Of several processes of one run (torchrun's RANK) only the launcher shows itself.
    """
    if not os.environ.get("PREFECT_API_URL") or "RANK" in os.environ:
        return nullcontext()
    return importlib.import_module("pipeline.orchestration.prefect.observe").observed(Path(sys.argv[0]).stem)


def _end_with_parent() -> None:
    """Where a sweep started it (DIE_WITH_PARENT), on Linux: SIGTERM when this process's parent dies."""
    if os.environ.get("DIE_WITH_PARENT") and sys.platform == "linux":
        PR_SET_PDEATHSIG = 1
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)


def _stop(_number: int, _frame: object) -> None:
    raise StoppedError


def _leave(message: str, status: int) -> None:
    print(f"error: {message}", file=sys.stderr)
    sys.exit(status)
