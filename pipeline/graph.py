"""What dvc.yaml says of each stage: what it reads and writes, which of it is code, which params it tracks.

dvc.yaml is the one place that says what decides a result. The name of a run (pipeline.pretrain.fingerprint),
which runs may train together, which experiments of a sweep are done and in which order stages run are derived
from it here.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import yaml

PROJECT = Path(__file__).parents[1]

Graph = dict[str, dict[str, Any]]  # the section `stages` of a dvc.yaml


def parse_graph(text: str) -> Graph:
    """The stages of a dvc.yaml by name, in its order."""
    return yaml.safe_load(text)["stages"]


def read_graph(project: Path = PROJECT) -> Graph:
    """The stages of the project's dvc.yaml."""
    return parse_graph((project / "dvc.yaml").read_text())


def stage_order(graph: Graph) -> list[str]:
    """The stages, each after those whose outputs it reads."""
    return [stage for stages in stage_rounds(graph) for stage in stages]


def stage_rounds(graph: Graph) -> list[list[str]]:
    """The stages in rounds: each reads outputs of earlier rounds alone, so those of a round can run side by
    side. DVC refuses a graph that has a circle."""
    writers = [(path, stage) for stage in graph for path in outputs(graph[stage])]
    needed = {
        stage: {writer for dep in entry.get("deps", []) for path, writer in writers if is_inside(dep, path)}
        for stage, entry in graph.items()
    }
    rounds: list[list[str]] = []
    done: set[str] = set()
    while len(done) < len(needed):
        rounds.append([stage for stage in needed if stage not in done and needed[stage] <= done])
        done.update(rounds[-1])
    return rounds


def outputs(entry: dict[str, Any]) -> list[str]:
    """The paths that a stage writes."""
    written = [output for kind in ("outs", "metrics", "plots") for output in entry.get(kind, [])]
    return [next(iter(output)) if isinstance(output, dict) else str(output) for output in written]


def code(graph: Graph, stage: str | None = None) -> list[str]:
    """The files and folders that a stage (None: any stage) reads and no stage writes: its code."""
    written = [path for entry in graph.values() for path in outputs(entry)]
    readers = graph.values() if stage is None else [graph[stage]]
    read = dict.fromkeys(dep for entry in readers for dep in entry.get("deps", []))
    return [path for path in read if not any(is_inside(path, place) for place in written)]


def is_inside(path: str, place: str) -> bool:
    """Whether `path` is `place`, or lies below it."""
    return path == place or path.startswith(f"{place}/")


def python_files(places: Iterable[str], project: Path = PROJECT) -> list[str]:
    """Every .py file among `places` and below its folders, relative to the project, sorted.

    Raises FileNotFoundError where dvc.yaml names something that is not there.
    """
    files: set[Path] = set()
    for path in places:
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
