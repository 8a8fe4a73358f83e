"""Digests of what stages write, so that a damaged file is named and never used.

A folder that a stage writes holds digests.json: the sha256 of each of its other files. A metrics file holds
its own digest and those of the tables that its stage wrote. They guard against damage, not against a forger.
"""

import hashlib
import json
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

from pipeline.files import InputError, read_json, write_json

FILE = "digests.json"
DIGEST, TABLES = "digest", "tables"  # keys of a metrics file
REPAIR = "`python -m pipeline verify --repair`, then `dvc repro`"


def sha256(path: Path) -> str:
    """The digest of a file's content; read once per process, size and time of change. Raises OSError."""
    status = path.stat()
    return _sha256(path.absolute(), status.st_ino, status.st_size, status.st_mtime_ns)


@cache
def _sha256(path: Path, *_status: int) -> str:
    with path.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


def seal(folder: Path) -> None:
    """Write the digests of all files below a finished folder into it."""
    files = sorted(path for path in folder.rglob("*") if path.is_file() and path != folder / FILE)
    write_json(folder / FILE, {path.relative_to(folder).as_posix(): sha256(path) for path in files})


def check(folder: Path) -> None:
    """Raises InputError where a file of a sealed folder is not what its stage wrote, or is missing."""
    for path in damaged(folder):
        if path.exists():
            raise InputError(f"{path}: damaged: not what its stage wrote; run {REPAIR}")
        raise InputError(f"{path}: not found; run `dvc repro`, which writes it")


def damaged(folder: Path) -> list[Path]:
    """The files of a sealed folder that are missing or have another content."""
    return [path for path, whole in checked(folder) if not whole]


def checked(folder: Path) -> Iterator[tuple[Path, bool]]:
    """Each file of a sealed folder with whether it is there and has the content that its stage wrote."""
    try:
        digests = {folder / name: str(digest) for name, digest in read_json(folder / FILE).items()}
    except (InputError, AttributeError):
        yield folder / FILE, False
        return
    yield folder / FILE, True
    for path, digest in digests.items():
        yield path, path.is_file() and sha256(path) == digest


def unsealed(content: dict[str, Any]) -> dict[str, Any]:
    """The content of a metrics file without its digests."""
    return {key: value for key, value in content.items() if key not in (DIGEST, TABLES)}


def sealed(content: dict[str, Any], tables: Iterable[Path] = ()) -> dict[str, Any]:
    """The content of a metrics file with its digest and those of `tables`."""
    plain = {key: value for key, value in content.items() if key != DIGEST}
    if digests := {path.name: sha256(path) for path in tables}:
        plain[TABLES] = digests
    return plain | {DIGEST: _of_content(plain)}


def is_sealed(content: dict[str, Any]) -> bool:
    """Whether a metrics file holds what was written."""
    plain = {key: value for key, value in content.items() if key != DIGEST}
    return content.get(DIGEST) == _of_content(plain)


def _of_content(content: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
