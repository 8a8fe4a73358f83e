"""From the text of a params.yaml to checked params."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from pipeline.files import InputError, ParamsError
from pipeline.params.mistakes import lines
from pipeline.params.tree import Params


def load(path: Path) -> Params:
    """Read and check a params.yaml.

    Raises ParamsError (exit status 2) with a line for every mistake, each begins with its dotted path;
    InputError (exit status 1) where there is no such file.
    """
    return validate(read_tree(path))


def validate(tree: dict[str, Any]) -> Params:
    """Check a tree as params.yaml holds it. Raises ParamsError as `load` does."""
    try:
        return Params.model_validate(tree)
    except ValidationError as error:
        raise ParamsError("\n".join(lines(error, tree, Params))) from None


def read_tree(path: Path) -> dict[str, Any]:
    """The sections of a params.yaml, unchecked.

    Raises InputError where there is no such file; ParamsError where it is no YAML, holds no sections, or has
    a key twice, of which YAML itself would silently keep the last.
    """
    try:
        loader = yaml.SafeLoader(path.read_text())
        node = loader.get_single_node()
        twice = list(_repeated_keys(node))
        tree = None if node is None or twice else loader.construct_document(node)
    except FileNotFoundError:
        raise InputError(f"{path}: not found") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ParamsError(f"{path.name}: not valid YAML: {' '.join(str(error).split())}") from None
    if twice:
        raise ParamsError("\n".join(twice))
    if not isinstance(tree, dict):
        raise ParamsError(f"{path.name}: must hold sections such as data and model")
    return tree


def _repeated_keys(node: yaml.Node | None, section: str = "") -> Iterator[str]:
    """A line for every key that a section of mappings has more than once."""
    lines_of: dict[str, int] = {}
    for key, value in node.value if isinstance(node, yaml.MappingNode) else ():
        dotted, line = f"{section}{key.value}", key.start_mark.line + 1
        if dotted in lines_of:
            yield f"{dotted}: stands twice, in line {lines_of[dotted]} and in line {line}"
        lines_of[dotted] = line
        if value.start_mark.index > key.start_mark.index:  # else an alias, which could lead back here
            yield from _repeated_keys(value, f"{dotted}.")
