"""The cells of a sweep: which params each changes, its name, what makes it the same as an earlier one."""

import copy
import hashlib
import itertools
import json
import math
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from pipeline.files import InputError, ParamsError
from pipeline.graph import Graph, read_graph, tracked_values
from pipeline.orchestration import presets
from pipeline.params import read_tree, validate
from pipeline.pretrain.parallel import alike
from pipeline.tracking import check

AXES = {"lambda": "sparsity.lambda", "groups": "sparsity.groups", "seed": "pretrain.seed"}
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*")


@dataclass(frozen=True)
class Grid:
    """What is swept: values of sparsity.lambda, sparsity.groups, pretrain.seed, over a preset and settings.

    An axis without values stays as the preset, the settings (section.key=value) or params.yaml have it.
    """

    lambdas: tuple[float, ...]
    groups: tuple[int, ...]
    seeds: tuple[int, ...]
    settings: tuple[str, ...]
    preset: str | None

    def axes(self) -> dict[str, list[Any]]:
        """Dotted path -> values, of the axes that are swept."""
        values = {"lambda": self.lambdas, "groups": self.groups, "seed": self.seeds}
        return {AXES[axis]: list(dict.fromkeys(given)) for axis, given in values.items() if given}


@dataclass(frozen=True)
class Cell:
    """One experiment. overrides: dotted path -> value of every param that it sets, swept ones last.

    name: of the experiment, the same for the same params. data_key: cells that share it share the prepared
    data. twin_key: cells that share it share the dense twin; None: there is none. together_key: cells that
    share it can be pretrained in one process; None: alone.
    """

    name: str
    title: str
    overrides: dict[str, Any]
    swept: dict[str, Any]
    data_key: str
    twin_key: str | None
    together_key: str | None


def plan_cells(sweep: str, grid: Grid, root: Path) -> list[Cell]:
    """The cells in the order of the grid, checked as the stages will check them.

    Raises ParamsError naming the dotted path of a setting that no run could have.
    """
    if not NAME.fullmatch(sweep):
        raise InputError(f"--name {sweep}: letters, digits, - and _, beginning with a letter or digit")
    tree = read_tree(root / "params.yaml")
    fixed = (presets.overrides(grid.preset) if grid.preset else {}) | dict(map(parse_setting, grid.settings))
    axes = grid.axes()
    for path in axes:
        if path in dict(map(parse_setting, grid.settings)):
            raise ParamsError(f"{path}: both swept and set")
    cells = []
    for values in itertools.product(*axes.values()):
        swept = dict(zip(axes, values, strict=True))
        cells.append(_cell(sweep, tree, fixed | swept, swept, root))
    return cells


def parse_setting(text: str) -> tuple[str, Any]:
    """`a.b=c` -> ("a.b", c), c read as YAML. Raises ParamsError where there is no `=`."""
    path, separator, value = text.partition("=")
    if not separator or not path:
        raise ParamsError(f"{text}: a setting is section.key=value")
    try:
        return path.strip(), yaml.safe_load(value)
    except yaml.YAMLError:
        raise ParamsError(f"{path}: {value} is not valid YAML") from None


def set_params(tree: Any, overrides: dict[str, Any]) -> None:
    """Set dotted paths of a params tree in place. Raises ParamsError for a key that is not there."""
    for path, value in overrides.items():
        *sections, key = path.split(".")
        node = tree
        for section in sections:
            node = node.get(section) if isinstance(node, dict) else None
        if not isinstance(node, dict) or key not in node:
            raise ParamsError(f"{path}: unknown key")
        node[key] = value


def _cell(
    sweep: str, tree: dict[str, Any], overrides: dict[str, Any], swept: dict[str, Any], root: Path
) -> Cell:
    changed = copy.deepcopy(tree)
    set_params(changed, overrides)
    images = changed["data"]["root"]
    if images is not None and not Path(str(images)).is_absolute():  # a cell runs in a clone elsewhere
        overrides = overrides | {"data.root": str((root / images).resolve())}
        set_params(changed, overrides)
    checked = validate(changed)
    check(checked)
    params = checked.model_dump(mode="json", by_alias=True)
    overrides = {path: _typed(value, params, path) for path, value in overrides.items()}
    words = [f"{axis}-{swept[path]:g}" for axis, path in AXES.items() if path in swept]
    title = " ".join(f"{axis}={swept[path]:g}" for axis, path in AXES.items() if path in swept)
    data_key = _digest([params["data"], params["embed"]["sets"]])
    digest = _digest({key: value for key, value in params.items() if key != "runtime"})
    return Cell(
        name="_".join([sweep, *words, digest]),
        title=title or "as set",
        overrides=overrides,
        swept=swept,
        data_key=data_key,
        twin_key=_twin_key(params, read_graph(root), data_key),
        together_key=alike.kind(checked),
    )


def _twin_key(params: dict[str, Any], graph: Graph, data_key: str) -> str | None:
    """The digest of all that decides the dense twin of a cell; None where it has none."""
    if not params["twin"] or "twin" not in graph:
        return None
    return _digest([tracked_values(params, graph["twin"]["params"]), data_key])


def split_together(cells: list[Cell], largest: int, jobs: int) -> list[list[Cell]]:
    """Lists of 2 to `largest` cells that can be pretrained in one process, enough of them for all `jobs`."""
    by_key: dict[str, list[Cell]] = {}
    for cell in cells:
        if cell.together_key is not None:
            by_key.setdefault(cell.together_key, []).append(cell)
    lists = []
    for members in by_key.values():
        number = len(members)
        parts = max(math.ceil(number / max(largest, 1)), min(jobs, number // 2))
        lists += [members[part::parts] for part in range(parts)]
    return [members for members in lists if len(members) > 1]


def _typed(value: Any, params: dict[str, Any], path: str) -> Any:
    """YAML 1.1 reads 1e-5 as text; the checked params know that it is a number."""
    if not isinstance(value, str):
        return value
    node: Any = params
    for part in path.split("."):
        node = node[part]
    return node


def _digest(content: Any) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:8]
