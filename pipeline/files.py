"""Files that are either whole or absent, and the exception for a user's mistake.

Every output is written in a hidden folder beside its place and renamed, so that a run that is killed, or a
disk that is full, leaves the old file or none. A process holds a lock on its hidden folders, which ends with
it: the next one that writes there removes what killed ones left.
"""

import errno
import fcntl
import json
import math
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

from pipeline.stops import finish_first

HIDDEN = ".sparsejepa"  # ends the name of a hidden folder: nobody else's is ever removed
LOCK = "lock"  # the file in it, and in the folder of a run, that a process locks


class InputError(ValueError):
    """A user's mistake: its text is a line that names the dotted param or the file.

    exit_status: of a stage or a command that ends with it.
    """

    exit_status = 1


class ParamsError(InputError):
    """Mistakes in params.yaml: a line each, which begins with the dotted path."""

    exit_status = 2


def one_line(text: object, longest: int = 500) -> str:
    """A text as one line for a terminal: what cannot be printed is escaped, a long one loses its middle."""
    words = " ".join(str(text).split())
    shown = "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in words)
    half = (longest - len(" ... ")) // 2
    return shown if len(shown) <= longest else f"{shown[:half]} ... {shown[-half:]}"


def outside(error: ModuleNotFoundError) -> str:
    """What to do where a library is missing: most often the environment is not active."""
    return f"Python has no module {error.name} here; try `source .venv/bin/activate`, after `make setup`"


@contextmanager
def atomic_file(path: Path) -> Iterator[Path]:
    """Yield a temporary file that takes the place of `path` if the body succeeds, and is removed if it
    fails."""
    with _hidden_folder(path) as (new, _):
        new.touch()
        yield new
        new.chmod(0o644)
        new.replace(path)


@contextmanager
def atomic_folder(path: Path) -> Iterator[Path]:
    """Yield an empty temporary folder that takes the place of `path` if the body succeeds.

    A kill between the two renames leaves no `path`; the next process that writes beside it puts the old one
    back first.
    """
    with _hidden_folder(path) as (new, old):
        new.mkdir()
        yield new
        for entry in (new, *new.rglob("*")):  # some libraries write files for the owner alone
            entry.chmod(0o755 if entry.is_dir() else 0o644)
        while True:
            with suppress(FileNotFoundError):
                _move(path, old)
            try:
                new.rename(path)
                return
            except OSError as error:
                if error.errno not in (errno.ENOTEMPTY, errno.EEXIST, errno.ENOTDIR):
                    raise
            shutil.rmtree(old, ignore_errors=True)  # another process came between with the same output


def _move(path: Path, place: Path) -> None:
    try:
        path.rename(place)
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
        shutil.move(path, place)  # copies: a container may refuse to rename a folder of its image


def remove_leftovers(parent: Path) -> None:
    """Remove the hidden folders of killed processes in `parent`, and put back what one had moved away.

    Those of running processes are locked, and stay. On a file system that has no locks only empty ones go.
    """
    for folder in parent.glob(f".*{HIDDEN}"):
        with suppress(OSError):
            folder.rmdir()  # its process has not locked it yet, and will take another
        with suppress(OSError):
            handle = try_lock(folder / LOCK, create=False)  # one made now would outlive the folder
            if handle is not None:
                _discard(folder, handle)


def try_lock(path: Path, create: bool = True) -> int | None:
    """A handle that holds a lock on the file `path` until it is closed or its process ends; None where
    another one holds it. create: make the file where there is none.

    Raises OSError where the file system has no locks. On some network file systems a lock is seen on its own
    host alone.
    """
    handle = os.open(path, os.O_RDWR | os.O_CLOEXEC | (os.O_CREAT if create else 0), 0o644)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(handle)
        if isinstance(error, BlockingIOError):
            return None
        raise
    return handle


@contextmanager
def _hidden_folder(path: Path) -> Iterator[tuple[Path, Path]]:
    """Two places of the name of `path` on its file system, for what is to come there and what was there."""
    path.parent.mkdir(parents=True, exist_ok=True)
    remove_leftovers(path.parent)
    with ExitStack() as stack:
        with finish_first():
            folder, handle = _new_hidden_folder(path)
            stack.callback(_discard, folder, handle)
        try:
            for name in ("new", "old"):
                (folder / name).mkdir()
            yield folder / "new" / path.name, folder / "old" / path.name
        except Exception as error:
            if not isinstance(error, InputError):
                error.add_note(f"while writing {path}")  # which libraries that write do not say
            raise


def _new_hidden_folder(path: Path) -> tuple[Path, int | None]:
    """Beside `path`, with the handle of its lock; None where the file system has no locks."""
    while True:
        folder = Path(tempfile.mkdtemp(dir=path.parent, prefix=f".{path.name}.", suffix=HIDDEN))
        try:
            handle = try_lock(folder / LOCK)
        except FileNotFoundError:
            continue  # removed as a leftover, as it was empty
        except OSError:
            return folder, None
        if handle is not None:
            if (folder / LOCK).exists():
                return folder, handle
            os.close(handle)


@finish_first()
def _discard(folder: Path, handle: int | None) -> None:
    """Remove a hidden folder. If it holds the only copy of an output, that is put back."""
    for old in (folder / "old").glob("*"):
        place = folder.parent / old.name
        if not os.path.lexists(place):
            with suppress(OSError):  # another process came between
                old.rename(place)
    for name in ("new", "old"):
        shutil.rmtree(folder / name, ignore_errors=True)
    shutil.rmtree(folder, ignore_errors=True)  # with its lock, which stays until all else is gone
    if handle is not None:
        os.close(handle)


def read_json(path: Path, *keys: str) -> Any:
    """The object that a JSON file holds.

    Raises InputError where the file is absent, cannot be read, holds anything else, or lacks one of `keys`.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InputError(f"{path}: not found; run the stage that writes it (`dvc repro`)") from None
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from None
    except (ValueError, RecursionError) as error:  # a ValueError: no UTF-8, no JSON, a number of 5000 digits
        raise InputError(f"{path}: not valid JSON ({error})") from None
    if not isinstance(content, dict):
        raise InputError(f"{path}: must hold a JSON object, holds {type(content).__name__}")
    for key in keys:
        if key not in content:
            raise InputError(f"{path}: has no key `{key}`")
    return content


def write_json(path: Path, content: Any) -> None:
    """Write `content` as indented JSON, atomically; NaN and infinity become null (JSON has neither)."""
    with atomic_file(path) as temporary:
        temporary.write_text(json.dumps(finite(content), indent=2, allow_nan=False) + "\n")


def finite(content: Any) -> Any:
    """The content with None in the place of NaN and infinity."""
    if isinstance(content, dict):
        return {key: finite(value) for key, value in content.items()}
    if isinstance(content, list | tuple):
        return [finite(value) for value in content]
    if isinstance(content, float) and not math.isfinite(content):
        return None
    return content
