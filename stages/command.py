"""How a stage starts and how it fails: one line and an exit status for a user's mistake."""

import errno
import signal
import sys
from collections.abc import Callable
from pathlib import Path

from pipeline import params
from pipeline.files import InputError

Main = Callable[[params.Params, Path], None]


class StoppedError(BaseException):
    """SIGTERM arrived: unwinds the stack, so that temporary files and workers are cleaned up."""


def run(main: Main) -> None:
    """Call `main(params, root)` in the current folder and exit.

    Status 0: done. 2: a mistake in params.yaml. 1: any other mistake that has a name, and a full disk.
    128 + n: stopped by signal n. A traceback means a fault of ours.
    """
    signal.signal(signal.SIGTERM, _stop)
    root = Path()
    try:
        main(params.load(root / "params.yaml"), root)
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


def _stop(_number: int, _frame: object) -> None:
    raise StoppedError


def _leave(message: str, status: int) -> None:
    print(f"error: {message}", file=sys.stderr)
    sys.exit(status)
