"""dvc.yaml against the code: each stage depends on the code it imports and the params it reads, no more.

Exempt from deps: pipeline/params.py (its values are tracked one by one under `params:`), pipeline/files.py
and stages/command.py (how files are written and errors shown), and the rooms' empty __init__.py.
"""

import ast
import typing
from pathlib import Path
from types import UnionType
from typing import Any

import pytest
import yaml
from conftest import REPOSITORY, default_tree
from pydantic import BaseModel

from pipeline import params as params_module
from pipeline.params import Params

EXEMPT = {"pipeline/params.py", "pipeline/files.py", "stages/command.py"}
GRAPH = yaml.safe_load((REPOSITORY / "dvc.yaml").read_text())["stages"]


def module_file(name: str) -> Path | None:
    path = REPOSITORY / name.replace(".", "/")
    if path.with_suffix(".py").is_file():
        return path.with_suffix(".py")
    return None


def imported(path: Path) -> set[Path]:
    """The project's files that `path` imports, directly or through others (imports inside functions too)."""
    found: set[Path] = set()
    todo = [path]
    while todo:
        current = todo.pop()
        if current in found:
            continue
        found.add(current)
        for node in ast.walk(ast.parse(current.read_text())):
            names: list[str] = []
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and node.module:
                names = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
            files = (module_file(name) for name in names if name.split(".")[0] in ("pipeline", "stages"))
            todo.extend(file for file in files if file)
    return found


def code_deps(stage: str) -> set[str]:
    files = {path.relative_to(REPOSITORY).as_posix() for path in imported(REPOSITORY / f"stages/{stage}.py")}
    templates = {
        path.relative_to(REPOSITORY).as_posix()
        for path in (REPOSITORY / "pipeline/reporting").glob("*.j2")
        if stage == "report"
    }
    return (files | templates) - EXEMPT


class Reads(ast.NodeVisitor):
    """Every params field that a file reads, as (class, field), found by following annotated names."""

    def __init__(self) -> None:
        self.found: set[tuple[str, str]] = set()
        self.scope: dict[str, type[BaseModel]] = {}
        self.members: dict[str, type[BaseModel]] = {}

    def visit_FunctionDef(self, node: ast.FunctionDef) -> None:
        outer = dict(self.scope)
        for argument in [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]:
            kind = annotated_section(argument.annotation)
            if kind:
                self.scope[argument.arg] = kind
            elif argument.arg != "self":
                self.scope.pop(argument.arg, None)
        self.generic_visit(node)
        self.scope = outer

    def visit_Assign(self, node: ast.Assign) -> None:
        targets, values = node.targets[0], node.value
        pairs = (
            zip(targets.elts, values.elts, strict=False)
            if isinstance(targets, ast.Tuple) and isinstance(values, ast.Tuple)
            else [(targets, values)]
        )
        for target, value in pairs:
            kind = self.resolve(value)
            if kind and isinstance(target, ast.Name):
                self.scope[target.id] = kind
            elif kind and isinstance(target, ast.Attribute):
                self.members[target.attr] = kind
        self.generic_visit(node)

    def visit_AnnAssign(self, node: ast.AnnAssign) -> None:
        kind = annotated_section(node.annotation)
        if kind and isinstance(node.target, ast.Name):
            self.scope[node.target.id] = kind
        self.generic_visit(node)

    def visit_Attribute(self, node: ast.Attribute) -> None:
        self.resolve(node)
        self.generic_visit(node)

    def resolve(self, node: ast.expr) -> type[BaseModel] | None:
        """The section that an expression such as `params.model.predictor` or `self.params` holds."""
        if isinstance(node, ast.Name):
            return self.scope.get(node.id)
        if not isinstance(node, ast.Attribute):
            return None
        owner = self.resolve(node.value)
        if owner is None:
            is_member = isinstance(node.value, ast.Name) and node.value.id in ("self", "run")
            return self.members.get(node.attr) if is_member else None
        if node.attr not in owner.model_fields:
            return None
        self.found.add((owner.__name__, node.attr))
        return section_of(owner.model_fields[node.attr].annotation)


def section_of(annotation: Any) -> type[BaseModel] | None:
    options = typing.get_args(annotation) if isinstance(annotation, UnionType) else (annotation,)
    for option in options:
        if isinstance(option, type) and issubclass(option, BaseModel):
            return option
    return None


def annotated_section(annotation: ast.expr | None) -> type[BaseModel] | None:
    name = annotation.id if isinstance(annotation, ast.Name) else getattr(annotation, "attr", "")
    found = getattr(params_module, str(name), None)
    return found if isinstance(found, type) and issubclass(found, BaseModel) else None


def reads(paths: set[Path]) -> set[tuple[str, str]]:
    found: set[tuple[str, str]] = set()
    for path in paths - {REPOSITORY / "pipeline/params.py"}:
        visitor = Reads()
        tree = ast.parse(path.read_text())
        visitor.visit(tree)  # twice: a method may read what a later one assigned to self
        visitor.visit(tree)
        found |= visitor.found
    return found


Chain = tuple[tuple[str, str], ...]


def dotted(kind: type[BaseModel], prefix: str = "", above: Chain = ()) -> dict[str, Chain]:
    """Every leaf of the params tree: dotted path -> (class, field) of its sections and of itself."""
    leaves: dict[str, Chain] = {}
    for name, field in kind.model_fields.items():
        section, chain = section_of(field.annotation), (*above, (kind.__name__, name))
        path = prefix + (field.alias or name)
        leaves |= dotted(section, f"{path}.", chain) if section else {path: chain}
    return leaves


def tracked(stage: str) -> set[str]:
    """The leaves that dvc.yaml tracks for a stage."""
    entries = GRAPH[stage].get("params", [])
    return {
        leaf for leaf in dotted(Params) for entry in entries if leaf == entry or leaf.startswith(entry + ".")
    }


@pytest.mark.parametrize("stage", GRAPH)
def test_a_stage_depends_on_exactly_the_code_it_imports(stage):
    listed = {dep for dep in GRAPH[stage]["deps"] if dep.endswith((".py", ".j2"))}
    assert listed == code_deps(stage)


@pytest.mark.parametrize("stage", GRAPH)
def test_a_stage_tracks_exactly_the_params_it_reads(stage):
    if stage == "report":
        expected = {leaf for leaf in dotted(Params) if not leaf.startswith("runtime.")}  # it prints them all
    else:
        found = reads(imported(REPOSITORY / f"stages/{stage}.py"))
        expected = {leaf for leaf, chain in dotted(Params).items() if found.issuperset(chain)}
    expected = {leaf for leaf in expected if not leaf.startswith("runtime.")}
    assert tracked(stage) == expected


def test_no_key_of_params_yaml_goes_unread():
    found = reads({path for room in ("pipeline", "stages") for path in (REPOSITORY / room).rglob("*.py")})
    unread = [leaf for leaf, chain in dotted(Params).items() if not found.issuperset(chain)]
    assert unread == []


def test_every_param_has_a_description_and_a_default_in_params_yaml():
    tree = default_tree()
    for leaf, chain in dotted(Params).items():
        kind, name = chain[-1]
        node = tree
        for part in leaf.split("."):
            node = node[part]
        assert getattr(params_module, kind).model_fields[name].description, leaf


def test_runtime_is_tracked_by_no_stage():
    assert not any(
        entry.startswith("runtime") for stage in GRAPH.values() for entry in stage.get("params", [])
    )


def test_reports_are_kept_by_git_and_artifacts_by_dvc():
    for stage in GRAPH.values():
        for kind in ("outs", "metrics", "plots"):
            for entry in stage.get(kind, []):
                path, options = next(iter(entry.items())) if isinstance(entry, dict) else (entry, {})
                assert path.startswith("reports/") == (options.get("cache") is False), path
