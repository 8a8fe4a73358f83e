"""Work that is killed (SIGKILL) before one of its file operations, in a process of its own."""

import itertools
import os
import signal
import sys
import traceback
from collections.abc import Callable, Iterator

OPERATIONS = ("os.rename", "os.remove", "os.rmdir", "os.mkdir", "os.chmod", "fcntl.flock", "open")
WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT


def is_killed(work: Callable[[], object], number: int) -> bool:
    """Do the work in a fork of this process. Returns whether it got as far as its file operation `number`,
    counted from 0, before which it dies. Fails where the work fails."""
    child = os.fork()
    if not child:
        status = 1
        try:
            _die_before(number)
            work()
            status = 0
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(status)
    _, ended = os.waitpid(child, 0)
    if os.WIFSIGNALED(ended):
        assert os.WTERMSIG(ended) == signal.SIGKILL
        return True
    assert os.WEXITSTATUS(ended) == 0
    return False


def killed_everywhere(work: Callable[[], object], every: int = 1) -> Iterator[int]:
    """Kill the work before one operation after the other, yielding the number of each after the kill; ends
    where the work gets to its end."""
    return itertools.takewhile(lambda number: is_killed(work, number), itertools.count(step=every))


def _die_before(number: int) -> None:
    seen = itertools.count()

    def hook(event: str, arguments: tuple[object, ...]) -> None:
        if event in OPERATIONS and (event != "open" or _writes(arguments)) and next(seen) == number:
            os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(hook)


def _writes(arguments: tuple[object, ...]) -> bool:
    return isinstance(arguments[2], int) and bool(arguments[2] & WRITES)
