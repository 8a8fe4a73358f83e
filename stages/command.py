"""How a stage starts and how it fails: one line and an exit status for a user's mistake."""

import errno
import signal
import sys
from collections.abc import Callable
from pathlib import Path

from pipeline import params
from pipeline.files import InputError

Main = Callable[[params.Params, Path], None]


def run(main: Main) -> None:
    """Call `main(params, root)` in the current folder and exit.

    Status 0: done. 2: a mistake in params.yaml. 1: any other mistake that has a name, and a full disk.
    128 + n: stopped by signal n, after saving. A traceback means a fault of ours.
    """
    root = Path()
    try:
        main(params.load(root / "params.yaml"), root)
    except InputError as error:
        _leave(str(error), error.exit_status)
    except KeyboardInterrupt:
        _leave("stopped by Ctrl-C", 128 + signal.SIGINT)
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            raise
        place = f" while writing {error.filename}" if error.filename else ""
        _leave(f"the disk is full{place} ({error.strerror}); nothing half-written was kept", 1)


def _leave(message: str, status: int) -> None:
    print(f"error: {message}", file=sys.stderr)
    sys.exit(status)
