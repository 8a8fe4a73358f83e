"""A command that ends with whoever started it: `python guard.py FD COMMAND...`.

FD is the read end of a pipe whose write end only the starter holds, so it closes however the starter ends, by
SIGKILL too. Then, and when the command itself ends, everything that descends from it is asked to stop
(SIGTERM, on which pretraining saves its state) and, after GRACE seconds, killed.

On Linux the guard adopts processes whose parent died, so that none is out of its reach, and a guard that is
killed takes its command along. macOS has neither: there a process that left the group and lost its parent
escapes, as does the command of a guard that was itself killed.
"""

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
import threading

import psutil

GRACE = 20.0
LONGEST_WAIT = 0.5  # seconds: a signal that arrives just before a wait does not end it
PR_SET_PDEATHSIG, PR_SET_CHILD_SUBREAPER = 1, 36


def prctl(option: int, value: int) -> None:
    """Linux's prctl(2); nothing elsewhere."""
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(option, value, 0, 0, 0)


def end(processes: list[psutil.Process], grace: float) -> None:
    """SIGTERM, then SIGKILL to those that still run after `grace` seconds."""
    for process in processes:
        _signal(process, signal.SIGTERM)
    _, running = psutil.wait_procs(processes, timeout=grace)
    for process in running:
        _signal(process, signal.SIGKILL)
    psutil.wait_procs(running, timeout=grace)


def _signal(process: psutil.Process, number: int) -> None:
    with contextlib.suppress(psutil.NoSuchProcess):
        process.send_signal(number)


def _end_descendants(grace: float) -> None:
    """Until none is left: one that is being ended may have started another."""
    while descendants := psutil.Process().children(recursive=True):
        end(descendants, grace)


def main() -> int:
    lifeline, command = int(sys.argv[1]), sys.argv[2:]
    prctl(PR_SET_CHILD_SUBREAPER, 1)
    stopping, ended = threading.Event(), []
    signal.signal(signal.SIGTERM, lambda *_: stopping.set())
    # The command is started before any thread, as a function between fork and exec asks for.
    child = subprocess.Popen(
        command, stdin=subprocess.DEVNULL, preexec_fn=lambda: prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    )

    def watch_lifeline() -> None:
        os.read(lifeline, 1)
        stopping.set()

    def watch_child() -> None:
        ended.append(child.wait())
        stopping.set()

    threading.Thread(target=watch_lifeline, daemon=True).start()
    threading.Thread(target=watch_child, daemon=True).start()
    while not stopping.wait(LONGEST_WAIT):
        pass
    status = ended[0] if ended else -signal.SIGTERM  # psutil may take the status of a child that it ends
    _end_descendants(GRACE)
    return status if status >= 0 else 128 - status


if __name__ == "__main__":
    sys.exit(main())
