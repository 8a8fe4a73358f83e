"""What dvc.yaml says of each stage: which code it runs and which params it reads.

dvc.yaml is the one place that says what decides a result. The name of a run (pipeline.pretrain.fingerprint),
which runs may train together and what a clone of the project has to hold are derived from it here.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

import yaml

PROJECT = Path(__file__).parents[1]
CODE_ROOTS = ("pipeline", "stages")


class Stage(NamedTuple):
    """A stage of dvc.yaml. code: its dependencies that are code, files and folders relative to the project.
    params: dotted paths of params.yaml that it tracks; a section stands for all that is in it."""

    code: tuple[str, ...]
    params: tuple[str, ...]


def stages(project: Path = PROJECT) -> dict[str, Stage]:
    """The stages of the project's dvc.yaml by name, in its order."""
    graph = yaml.safe_load((project / "dvc.yaml").read_text())["stages"]
    return {
        name: Stage(
            code=tuple(path for path in stage["deps"] if Path(path).parts[0] in CODE_ROOTS),
            params=tuple(stage["params"]),
        )
        for name, stage in graph.items()
    }


def all_code(project: Path = PROJECT) -> list[str]:
    """Files and folders of code that any stage depends on, sorted."""
    return sorted({path for stage in stages(project).values() for path in stage.code})


def python_files(code: Iterable[str], project: Path = PROJECT) -> list[str]:
    """Every .py file among `code` and below its folders, relative to the project, sorted.

    Raises FileNotFoundError where dvc.yaml names something that is not there.
    """
    files = set()
    for path in code:
        place = project / path
        if not place.exists():
            raise FileNotFoundError(f"{place}: a dependency in dvc.yaml that is not there")
        files |= set(place.rglob("*.py")) if place.is_dir() else {place}
    return sorted(file.relative_to(project).as_posix() for file in files)


def tracked_values(tree: dict[str, Any], paths: Iterable[str]) -> dict[str, Any]:
    """The values of a tree of params at dotted paths, by path. Raises KeyError for an unknown path."""
    values = {}
    for path in paths:
        node: Any = tree
        for key in path.split("."):
            node = node[key]
        values[path] = node
    return values
