"""Files that are either whole or absent, and the exception for a user's mistake.

Every output is written to a temporary sibling and renamed, so that a run that is killed, or a disk that is
full, leaves the old file or none.
"""

import json
import math
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any


class InputError(ValueError):
    """A user's mistake: its text is a line that names the dotted param or the file.

    exit_status: of a stage or a command that ends with it.
    """

    exit_status = 1


class ParamsError(InputError):
    """Mistakes in params.yaml: a line each, which begins with the dotted path."""

    exit_status = 2


def outside(error: ModuleNotFoundError) -> str:
    """What to do where a library is missing: most often the environment is not active."""
    return f"Python has no module {error.name} here; try `source .venv/bin/activate`, after `make setup`"


@contextmanager
def atomic_file(path: Path) -> Iterator[Path]:
    """Yield a temporary sibling of `path`, renamed to `path` if the body succeeds, removed if it fails."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}.", delete=False) as handle:
        temporary = Path(handle.name)
    try:
        yield temporary
        temporary.chmod(0o644)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def atomic_folder(path: Path) -> Iterator[Path]:
    """Yield an empty temporary sibling folder that takes the place of `path` if the body succeeds."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(dir=path.parent, prefix=f".{path.name}."))
    try:
        yield temporary
        for entry in (temporary, *temporary.rglob("*")):  # some libraries write files for the owner alone
            entry.chmod(0o755 if entry.is_dir() else 0o644)
        if path.exists():
            shutil.rmtree(path)
        temporary.replace(path)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def read_json(path: Path) -> Any:
    """The content of a JSON file. Raises InputError where it is absent or broken."""
    try:
        return json.loads(path.read_text())
    except FileNotFoundError:
        raise InputError(f"{path}: not found; run the stage that writes it (`dvc repro`)") from None
    except json.JSONDecodeError as error:
        raise InputError(f"{path}: not valid JSON ({error})") from None


def write_json(path: Path, content: Any) -> None:
    """Write `content` as indented JSON, atomically; NaN and infinity become null (JSON has neither)."""
    with atomic_file(path) as temporary:
        temporary.write_text(json.dumps(_finite(content), indent=2, allow_nan=False) + "\n")


def _finite(content: Any) -> Any:
    if isinstance(content, dict):
        return {key: _finite(value) for key, value in content.items()}
    if isinstance(content, list | tuple):
        return [_finite(value) for value in content]
    if isinstance(content, float) and not math.isfinite(content):
        return None
    return content
