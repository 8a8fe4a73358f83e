"""How a process of this project ends: one line on standard error and an exit status.

SIGTERM and Ctrl-C while it works unwind the stack, so that temporary files and workers are cleaned up. Before
and after they end it at once: an exception among imports can be lost, or be shown as a traceback.
"""

import atexit
import errno
import os
import re
import signal
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from types import FrameType, TracebackType

from pipeline.files import HIDDEN, InputError, ParamsError, one_line, outside
from pipeline.stops import stop

DISK_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
ADVICE = {
    errno.EACCES: "let this user read and write there",
    errno.EPERM: "let this user read and write there",
    errno.EROFS: "work where the file system can be written",
    errno.EISDIR: "a folder stands where a file belongs; move it away",
    errno.ENOTDIR: "a file stands where a folder belongs; move it away",
    errno.EEXIST: "something else stands there; move it away",
    errno.ENOTEMPTY: "something else stands there; move it away",
    errno.ENAMETOOLONG: "use a shorter name",
    errno.ELOOP: "a link leads back to itself; remove it",
    errno.EMLINK: "use another folder",
    errno.ESTALE: "mount the network file system anew",
    errno.EIO: "the disk may fail; see the system's log",
    errno.EMFILE: "allow more open files (ulimit -n)",
    errno.ENFILE: "close other programs",
    errno.EBUSY: "another program uses it",
    errno.EPIPE: "whoever read the output has ended",
}
# How libraries say what the system refused where they raise no OSError for it.
IN_WORDS = re.compile(r"os error (\d+)|open file failed with strerror: (.+)")  # safetensors, torch.save
NOT_WHOLE = re.compile(  # torch.save twice, NumPy, SQLite: most often a full disk
    r"inline_container.*unexpected pos|PytorchStreamWriter failed|\d+ requested and \d+ written|disk is full"
)
NUMBERS = {os.strerror(number): number for number in errno.errorcode}
# .NAME.xxxx.sparsejepa/new/NAME, where an output is written first (pipeline.files)
HIDDEN_PLACE = re.compile(rf"(?<![^/])\.([^/]+)\.[^/.]+{re.escape(HIDDEN)}(?:/(?:new|old)(?:/\1)?)?(?![^/])")


class StoppedError(BaseException):
    """SIGTERM arrived while the process worked."""


class Interrupted(KeyboardInterrupt):  # named as its base class
    """What a handler raises for KeyboardInterrupt.

    A class of its own: once a KeyboardInterrupt has left an exec or eval of text, such as namedtuple's,
    CPython ends `python -m` by SIGINT itself, even where it was caught. It asks for exactly that class.
    """


class _Process:
    """The process that `handle_signals` was called in, what it does, and the signal that it got."""

    number = 0
    working = False
    caught = 0


def handle_signals() -> None:
    """From now on SIGTERM and Ctrl-C end this process as above, and a missing library costs one line."""
    _Process.number = os.getpid()
    signal.signal(signal.SIGTERM, _handle)
    if signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:  # as a shell has it for a background command
        signal.signal(signal.SIGINT, _handle)
    sys.excepthook, sys.unraisablehook = _show, _show_unraisable
    atexit.register(_restore_signals)


def run(work: Callable[[], int | None], kept: str = "nothing half-written was kept") -> int:
    """Do the work; the exit status. A user's mistake is one line, a traceback means a fault of ours.

    Status 2: a mistake in params.yaml. 1: any other that has a name, and what the system refused. 128 + n:
    stopped by signal n. kept: what holds after a stop.
    """
    handle_signals()
    _Process.caught = 0
    try:
        try:
            _Process.working = True
            status = work() or 0
        finally:
            _Process.working = False
    except InputError as error:
        return fail(error)
    except KeyboardInterrupt:
        return fail(f"{stopped_by(_Process.caught or signal.SIGINT)}; {kept}", 128 + (_Process.caught or 2))
    except StoppedError:
        return fail(f"{stopped_by(signal.SIGTERM)}; {kept}", 128 + signal.SIGTERM)
    except Exception as error:
        line = refused(error)
        if line is None:
            raise
        if isinstance(error, BrokenPipeError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # or Python fails once more when it flushes
        return fail(line)
    return status


def signal_caught(number: int) -> None:
    """Note that a signal arrived, where another handler than ours took it."""
    _Process.caught = number


def caught() -> int:
    """The signal that arrived since the work began, 0 for none."""
    return _Process.caught


def stopped_by(number: int) -> str:
    """What a signal did, for a line."""
    return f"stopped by {'Ctrl-C' if number == signal.SIGINT else signal.Signals(number).name}"


def fail(error: InputError | str, status: int = 1) -> int:
    """Print the line of an error, or the lines of a ParamsError; the exit status."""
    lines = str(error).splitlines() if isinstance(error, ParamsError) else [str(error)]
    print("error: " + "\n".join(map(one_line, lines)), file=sys.stderr, flush=True)
    return error.exit_status if isinstance(error, InputError) else status


def refused(error: Exception) -> str | None:
    """What the operating system refused and what to do, named by the file; None: the error is another one."""
    number, text = _number(error)
    if number is None:
        return None
    name = getattr(error, "filename", None)
    notes = [note for note in getattr(error, "__notes__", ()) if note.startswith("while writing ")]
    place = os.fsdecode(name) if isinstance(name, str | bytes | os.PathLike) else ""
    place = HIDDEN_PLACE.sub(r"\1", place) or (notes[0].removeprefix("while writing ") if notes else "")
    if number in DISK_FULL:
        where = f" while writing {place}" if place else ""
        return f"the disk is full{where} ({text}); nothing half-written was kept"
    if not place and number not in ADVICE:
        return None
    advice = ADVICE.get(number, "the same command tries again")
    return f"{place or 'a file'}: {text[:1].lower()}{text[1:]}; {advice}"


def _number(error: Exception) -> tuple[int | None, str]:
    """The errno in an error, and its text."""
    if isinstance(error, OSError) and error.errno is not None:
        return error.errno, error.strerror or os.strerror(error.errno)
    text = str(error)
    if match := IN_WORDS.search(text):
        number = int(match[1]) if match[1] else NUMBERS.get(match[2].strip())
        return number, os.strerror(number) if number else text
    if NOT_WHOLE.search(text):
        return errno.ENOSPC, "it could not be written whole"
    return None, text


def _handle(number: int, _frame: FrameType | None) -> None:
    if os.getpid() != _Process.number:  # a fork
        signal.signal(number, signal.SIG_DFL)
        os.kill(os.getpid(), number)
        return
    _Process.caught = number
    if _Process.working:
        stop(Interrupted() if number == signal.SIGINT else StoppedError())
        return
    with suppress(Exception):
        sys.stdout.flush()
    os.write(2, f"error: {stopped_by(number)}; nothing half-written was kept\n".encode())
    os._exit(128 + number)


def _restore_signals() -> None:
    """For the end of the interpreter, which calls no handler of Python's any more."""
    if os.getpid() == _Process.number:
        for number in (signal.SIGTERM, signal.SIGINT):
            if signal.getsignal(number) is _handle:
                signal.signal(number, signal.SIG_DFL)


def _show(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    missing = (error.name or "").split(".")[0] if isinstance(error, ModuleNotFoundError) else ""
    if isinstance(error, ModuleNotFoundError) and missing not in ("pipeline", "stages"):
        fail(outside(error))
    else:
        sys.__excepthook__(kind, error, trace)


def _show_unraisable(problem: "sys.UnraisableHookArgs") -> None:
    """A stop that arrived in a destructor or a callback of C code, where no exception leaves, comes again."""
    if issubclass(problem.exc_type, StoppedError | KeyboardInterrupt) and _Process.caught:
        again = threading.Timer(0.05, os.kill, (os.getpid(), _Process.caught))
        again.daemon = True
        again.start()
    else:
        sys.__unraisablehook__(problem)
