"""dvc.yaml as a graph: what each stage reads and writes, and which of it is code."""

from typing import Any

Graph = dict[str, dict[str, Any]]  # the section `stages` of dvc.yaml


def order(graph: Graph) -> list[str]:
    """The stages, each after those whose outputs it reads. DVC refuses a graph that has a circle."""
    writers = [(path, stage) for stage in graph for path in outputs(graph[stage])]
    needed = {
        stage: {writer for dep in entry.get("deps", []) for path, writer in writers if is_inside(dep, path)}
        for stage, entry in graph.items()
    }
    ordered: list[str] = []
    while len(ordered) < len(needed):
        ordered += [stage for stage in needed if stage not in ordered and needed[stage] <= set(ordered)][:1]
    return ordered


def outputs(entry: dict[str, Any]) -> list[str]:
    """The paths that a stage writes."""
    written = [output for kind in ("outs", "metrics", "plots") for output in entry.get(kind, [])]
    return [next(iter(output)) if isinstance(output, dict) else str(output) for output in written]


def code(graph: Graph) -> list[str]:
    """The files and folders that stages read and none writes: the code that decides their results."""
    written = [path for entry in graph.values() for path in outputs(entry)]
    read = dict.fromkeys(dep for entry in graph.values() for dep in entry.get("deps", []))
    return [path for path in read if not any(is_inside(path, place) for place in written)]


def is_inside(path: str, place: str) -> bool:
    """Whether `path` is `place`, or lies below it."""
    return path == place or path.startswith(f"{place}/")
