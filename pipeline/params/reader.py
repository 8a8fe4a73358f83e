"""From the file params.yaml to checked params."""

from pathlib import Path
from typing import Any

from pydantic import ValidationError

from pipeline.files import InputError, ParamsError, one_line
from pipeline.params.mistakes import lines, report
from pipeline.params.text import parse
from pipeline.params.tree import Params

LARGEST = 2**18  # bytes; params.yaml has some 10,000


def load(path: Path) -> Params:
    """Read and check a params.yaml.

    Raises ParamsError (exit status 2) with a line for every mistake, each begins with its dotted path;
    InputError (exit status 1) where there is no such file, or it cannot be read.
    """
    return validate(read_tree(path))


def validate(tree: dict[str, Any]) -> Params:
    """Check a tree as params.yaml holds it. Raises ParamsError as `load` does."""
    try:
        return Params.model_validate(tree)
    except ValidationError as error:
        raise report(lines(error, tree, Params)) from None


def read_tree(path: Path) -> dict[str, Any]:
    """The sections of a params.yaml, unchecked.

    Raises InputError where there is no such file, or it cannot be read; ParamsError as `parse_tree` does.
    """
    return parse_tree(_read(path), path.name)


def parse_tree(text: str, name: str = "params.yaml") -> dict[str, Any]:
    """The sections of the text of a params.yaml, unchecked. Raises ParamsError where it is no YAML, holds no
    sections, has a key twice, or what readers of YAML differ on."""
    tree = parse(text, name)
    if not isinstance(tree, dict):
        raise ParamsError(f"{name}: must hold sections such as data and model")
    return tree


def _read(path: Path) -> str:
    try:
        if not path.is_file():  # a named pipe would be waited for
            raise InputError(f"{path}: {'not a file' if path.exists() else 'not found'}")
        with path.open("rb") as handle:
            content = handle.read(LARGEST + 1)
    except OSError as error:
        raise InputError(one_line(f"{path}: {error.strerror}")) from None
    if len(content) > LARGEST:
        raise ParamsError(f"{path.name}: larger than {LARGEST // 2**10} KiB")
    try:
        return content.decode()
    except UnicodeDecodeError as error:
        raise ParamsError(f"{path.name}: not valid YAML: {error.reason} at byte {error.start}") from None
