"""dvc.yaml against the code: a stage depends on the rooms it imports and tracks the params it reads.

Exempt from deps: pipeline/params (its values are tracked one by one under `params:`; what it checks is the
work of the stage `params`, which tracks all of the file and comes before the others), pipeline/layout.py
(it names the places that dvc.yaml names), pipeline/graph.py (it reads dvc.yaml), and how
files are written and checked, and progress, history and errors shown: pipeline/files.py,
pipeline/digests.py, pipeline/stops.py, pipeline/contracts/record.py,
pipeline/progress.py, pipeline/tracking.py and stages/command.py.
"""

import ast
import importlib
from pathlib import Path

import pytest
import yaml
from conftest import REPOSITORY, default_tree, override

from pipeline.graph import outputs
from pipeline.params import Params, Section
from tests.finished_run import TINY

EXEMPT = (
    "pipeline/params",
    "pipeline/contracts/__init__.py",
    "pipeline/contracts/record.py",
    "pipeline/digests.py",
    "pipeline/exits.py",
    "pipeline/files.py",
    "pipeline/graph.py",
    "pipeline/layout.py",
    "pipeline/progress.py",
    "pipeline/stops.py",
    "pipeline/tracking.py",
    "pipeline/__init__.py",
    "stages/command.py",
    "stages/__init__.py",
)
GRAPH = yaml.safe_load((REPOSITORY / "dvc.yaml").read_text())["stages"]


def imported(stage: str) -> set[str]:
    """The project's files that a stage imports, directly or through others, inside functions too."""
    seen: set[str] = set()
    todo = [f"stages/{stage}.py"]
    while todo:
        file = todo.pop()
        seen.add(file)
        for node in ast.walk(ast.parse((REPOSITORY / file).read_text())):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom) and node.module:
                names = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
            candidates = {
                f"{name.replace('.', '/')}{end}" for name in names for end in (".py", "/__init__.py")
            }
            todo += [path for path in candidates - seen if (REPOSITORY / path).is_file()]
    return seen


def is_inside(file: str, places: list[str]) -> bool:
    return any(Path(file).is_relative_to(place) or file == f"{place}.py" for place in places)


@pytest.mark.parametrize("stage", GRAPH)
def test_a_stage_depends_on_the_rooms_that_it_imports_and_on_no_other(stage):
    code = [dep for dep in GRAPH[stage]["deps"] if dep.startswith(("pipeline", "stages"))]
    files = [file for file in imported(stage) if not is_inside(file, list(EXEMPT))]
    assert [file for file in files if not is_inside(file, code)] == []
    assert [place for place in code if not any(is_inside(file, [place]) for file in imported(stage))] == []


def leaves(kind: type[Section], prefix: str = "") -> dict[str, tuple[str, str]]:
    """Dotted path of every param -> (its section's class, its field)."""
    found: dict[str, tuple[str, str]] = {}
    for name, field in kind.model_fields.items():
        path, inner = prefix + (field.alias or name), field.annotation
        nested = isinstance(inner, type) and issubclass(inner, Section)
        found |= leaves(inner, f"{path}.") if nested else {path: (kind.__name__, name)}
    return found


LEAVES = leaves(Params)


def test_the_stages_of_a_run_read_no_param_that_dvc_does_not_track(tmp_path, monkeypatch):
    quick = {"probe.labels": ["shape"], "probe.fine_tune.epochs": 1, "probe.sgd.epochs": 1}
    params, read = Params.model_validate(override(default_tree(), TINY | quick)), set[str]()
    names = {id(section): prefix for section, prefix in sections(params)}

    def record(section: Section, name: str) -> object:
        if id(section) in names and name in type(section).model_fields:
            read.add(names[id(section)] + (type(section).model_fields[name].alias or name))
        return object.__getattribute__(section, name)

    for stage in [stage for stage in GRAPH if stage != "params"]:
        read.clear()
        with monkeypatch.context() as patch:
            patch.setattr(Section, "__getattribute__", record)
            importlib.import_module(f"stages.{stage}").main(params, tmp_path)
        ours = {path for path in read & set(LEAVES) if not path.startswith("runtime.")}
        tracked = {
            path: [entry for entry in GRAPH[stage]["params"] if is_under(path, entry)] for path in ours
        }
        assert [path for path, entries in tracked.items() if not entries] == [], stage
        used = {entry for entries in tracked.values() for entry in entries}
        assert stage == "report" or used == set(GRAPH[stage]["params"]), stage  # it prints them all at once


def sections(section: Section, prefix: str = "") -> list[tuple[Section, str]]:
    inner = [(getattr(section, name), f"{prefix}{name}.") for name in type(section).model_fields]
    return [(section, prefix)] + [
        found for value, path in inner if isinstance(value, Section) for found in sections(value, path)
    ]


def is_under(path: str, entry: str) -> bool:
    return f"{path}.".startswith(f"{entry}.")


def test_every_param_is_described_has_its_default_in_params_yaml_and_is_read_by_some_code():
    code = [path.read_text() for room in ("pipeline", "stages") for path in (REPOSITORY / room).rglob("*.py")]
    for path, (section, name) in LEAVES.items():
        node = default_tree()
        for part in path.split("."):
            node = node[part]
        kind = next(kind for kind in all_sections(Section) if kind.__name__ == section)
        assert kind.model_fields[name].description, path
        assert any(f".{name}" in text for text in code), f"{path} goes unread"


def all_sections(kind: type[Section]) -> list[type[Section]]:
    return [section for child in kind.__subclasses__() for section in (child, *all_sections(child))]


def test_runtime_is_tracked_by_no_stage_but_the_one_that_checks_it():
    others = [entry for stage, content in GRAPH.items() if stage != "params" for entry in content["params"]]
    assert not any(entry.startswith("runtime") for entry in others)


def test_all_of_params_yaml_is_checked_before_any_other_stage():
    assert GRAPH["params"]["params"] == [{"params.yaml": None}]  # DVC's way to say: the whole file
    assert GRAPH["params"]["outs"] == ["artifacts/params.txt"]
    assert "artifacts/params.txt" in GRAPH["prepare"]["deps"]
    for stage in set(GRAPH) - {"params"}:
        assert before(stage) >= {"params"}, stage


def before(stage: str) -> set[str]:
    """The stages whose outputs a stage reads, directly or through others."""
    deps = GRAPH[stage]["deps"]
    direct = {name for name in GRAPH if any(is_inside(dep, outputs(GRAPH[name])) for dep in deps)}
    return direct.union(*map(before, direct))


def test_reports_are_kept_by_git_and_artifacts_by_dvc():
    for stage in GRAPH.values():
        for entry in [entry for kind in ("outs", "metrics", "plots") for entry in stage.get(kind, [])]:
            path, options = next(iter(entry.items())) if isinstance(entry, dict) else (entry, {})
            assert path.startswith("reports/") == (options.get("cache") is False), path
