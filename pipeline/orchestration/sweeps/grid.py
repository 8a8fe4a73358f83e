"""The cells of a sweep: which params each changes, its name, what makes it the same as an earlier one."""

import copy
import difflib
import hashlib
import itertools
import json
import math
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.files import InputError, ParamsError
from pipeline.graph import read_graph, tracked_values
from pipeline.orchestration import presets
from pipeline.params import parse, read_tree, validate
from pipeline.pretrain.parallel import alike
from pipeline.tracking import check

AXES = {"lambda": "sparsity.lambda", "groups": "sparsity.groups", "seed": "pretrain.seed"}
SHORT = {path: axis for axis, path in AXES.items()}
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*")
LONGEST_WORD, LONGEST_NAME = 32, 150  # characters of a value, and of an experiment, which names files


@dataclass(frozen=True)
class Grid:
    """What is swept: values of sparsity.lambda, sparsity.groups, pretrain.seed, over a preset and settings.

    more: further axes, each `section.key=a,b,c`. ranges: `section.key=lo:hi[:log]`, for Optuna alone. An axis
    without values stays as the preset, the settings (section.key=value) or params.yaml have it.
    """

    lambdas: tuple[float, ...]
    groups: tuple[int, ...]
    seeds: tuple[int, ...]
    settings: tuple[str, ...]
    preset: str | None
    more: tuple[str, ...] = ()
    ranges: tuple[str, ...] = ()

    def axes(self) -> dict[str, list[Any]]:
        """Dotted path -> values, of the axes that are swept; the seeds are the last.

        Raises ParamsError where an axis is no list of values, or a param is swept twice.
        """
        flags = {"lambda": self.lambdas, "groups": self.groups}
        given: list[tuple[str, list[Any]]] = [(AXES[axis], list(values)) for axis, values in flags.items()]
        axes: dict[str, list[Any]] = {}
        for path, values in [*given, *map(parse_axis, self.more), (AXES["seed"], list(self.seeds))]:
            if values and path in axes:
                raise ParamsError(f"{path}: swept twice")
            if values:
                axes[path] = values
        return {path: without_repeats(values) for path, values in axes.items()}


@dataclass(frozen=True)
class Cell:
    """One experiment. overrides: dotted path -> value of every param that it sets, swept ones last.

    name: of the experiment, the same for the same params. data_key: cells that share it share the prepared
    data. twin_key: cells that share it share the dense twin; None: there is none. twin_axes: the swept params
    that the twin depends on. together_key: cells that share it can be pretrained in one process; None: alone.
    """

    name: str
    title: str
    overrides: dict[str, Any]
    swept: dict[str, Any]
    data_key: str
    twin_key: str | None
    twin_axes: tuple[str, ...]
    together_key: str | None


class Planner:
    """Makes cells of one sweep: the project's params, under a preset and settings, under swept values."""

    def __init__(self, sweep: str, grid: Grid, root: Path) -> None:
        """Raises InputError for a name that Git could not hold, ParamsError for a setting that is none."""
        if not NAME.fullmatch(sweep):
            raise InputError(f"--name {sweep}: letters, digits, - and _, beginning with a letter or digit")
        settings = dict(map(parse_setting, grid.settings))
        self.sweep, self.root, self.axes = sweep, root, grid.axes()
        self.tree, self.graph = read_tree(root / "params.yaml"), read_graph(root)
        self.fixed = (presets.overrides(grid.preset) if grid.preset else {}) | settings
        for path in self.axes:
            if path in settings:
                raise ParamsError(f"{path}: both swept and set")

    def cell(self, swept: dict[str, Any]) -> Cell:
        """The cell of some swept values. Raises ParamsError with its dotted path if no run could be so."""
        changed, overrides = copy.deepcopy(self.tree), self.fixed | swept
        set_params(changed, overrides)
        images = changed["data"]["root"]
        if images is not None and not Path(str(images)).is_absolute():  # a cell runs in a clone elsewhere
            overrides = overrides | {"data.root": str((self.root / images).resolve())}
            set_params(changed, overrides)
        checked = validate(changed)
        check(checked)
        params = checked.model_dump(mode="json", by_alias=True)
        overrides = {path: _typed(value, params, path) for path, value in overrides.items()}
        swept = {path: _typed(value, params, path) for path, value in swept.items()}
        data_key = _digest([params["data"], params["embed"]["sets"]])
        twin = self._twin(params)
        return Cell(
            name=self._name(swept, params),
            title=title(swept),
            overrides=overrides,
            swept=swept,
            data_key=data_key,
            twin_key=None if twin is None else _digest([tracked_values(params, twin), data_key]),
            twin_axes=tuple(path for path in swept if _decides(path, [*(twin or ()), "data", "embed.sets"])),
            together_key=alike.kind(checked),
        )

    def _name(self, swept: dict[str, Any], params: dict[str, Any]) -> str:
        """The sweep's name, what is swept as far as it can be read in a name, and a digest of all params."""
        words = [f"{key}-{_word(swept[path])}" for path, key in short_names(swept).items()]
        digest = _digest({key: value for key, value in params.items() if key != "runtime"})
        return "_".join(["_".join([self.sweep, *words])[:LONGEST_NAME], digest])

    def _twin(self, params: dict[str, Any]) -> list[str] | None:
        """The params that the dense twin of a cell depends on, besides the data; None where it has none."""
        return self.graph["twin"]["params"] if params["twin"] and "twin" in self.graph else None


def plan_cells(sweep: str, grid: Grid, root: Path) -> list[Cell]:
    """The cells in the order of the grid, checked as the stages will check them.

    Raises ParamsError naming the dotted path of a setting that no run could have.
    """
    planner = Planner(sweep, grid, root)
    points = itertools.product(*planner.axes.values())
    return [planner.cell(dict(zip(planner.axes, values, strict=True))) for values in points]


def short_names(swept: Iterable[str]) -> dict[str, str]:
    """Dotted path -> what tables call it, the axes of flags first: lambda, groups, seed, else the key, or the
    whole path where keys are the same."""
    paths = sorted(swept, key=lambda path: list(SHORT).index(path) if path in SHORT else len(SHORT))
    keys = [SHORT.get(path, path.rpartition(".")[2]) for path in paths]
    return {path: key if keys.count(key) == 1 else path for path, key in zip(paths, keys, strict=True)}


def title(swept: dict[str, Any]) -> str:
    """`lambda=0.1 groups=8`."""
    return " ".join(f"{key}={shown(swept[path])}" for path, key in short_names(swept).items()) or "as set"


def shown(value: Any) -> str:
    """A param's value as tables show it."""
    return f"{value:g}" if isinstance(value, float) else json.dumps(value).strip('"')


def without_repeats(values: Iterable[Any]) -> list[Any]:
    """The values in their order, each once; lists too, which no dict could hold."""
    kept: list[Any] = []
    for value in values:
        if not any(value == other and type(value) is type(other) for other in kept):
            kept.append(value)
    return kept


def parse_axis(text: str) -> tuple[str, list[Any]]:
    """`a.b=c,d` -> ("a.b", [c, d]), each value read as YAML. Raises ParamsError where there is none."""
    path, separator, values = (part.strip() for part in text.partition("="))
    if not separator or not path or not values:
        raise ParamsError(f"{text}: an axis is section.key=value,value")
    return path, parse(f"[{values}]", path, path)


def parse_setting(text: str) -> tuple[str, Any]:
    """`a.b=c` -> ("a.b", c), c read as YAML. Raises ParamsError where there is no `=`."""
    path, separator, value = text.partition("=")
    if not separator or not path:
        raise ParamsError(f"{text}: a setting is section.key=value")
    return path.strip(), parse(value, path.strip(), path.strip())


def set_params(tree: Any, overrides: dict[str, Any]) -> None:
    """Set dotted paths of a params tree in place. Raises ParamsError for a key that is not there, with the
    one that was probably meant."""
    for path, value in overrides.items():
        *sections, key = path.split(".")
        node = tree
        for section in sections:
            node = node.get(section) if isinstance(node, dict) else None
        if not isinstance(node, dict) or key not in node:
            meant = _meant(path, list(_paths(tree)))
            raise ParamsError(f"{path}: unknown key{f'; did you mean `{meant}`?' if meant else ''}")
        node[key] = value


def _paths(tree: dict[str, Any], section: str = "") -> Iterator[str]:
    """The dotted path of every param."""
    for key, value in tree.items():
        if isinstance(value, dict):
            yield from _paths(value, f"{section}{key}.")
        else:
            yield f"{section}{key}"


def _meant(path: str, known: list[str]) -> str | None:
    """The known path that is most like one that is not known: all of it, or its last key alone."""
    if near := difflib.get_close_matches(path, known, n=1, cutoff=0.8):
        return near[0]
    last = {other.rpartition(".")[2]: other for other in reversed(known)}
    near = difflib.get_close_matches(path.rpartition(".")[2], last, n=1, cutoff=0.8)
    return last[near[0]] if near else None


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


def _word(value: Any) -> str:
    """A value as a part of a name that Git and file systems take."""
    return re.sub(r"[^A-Za-z0-9.+_-]+|\.\.+", "-", shown(value)).strip(".")[:LONGEST_WORD]


def _decides(path: str, tracked: Iterable[str]) -> bool:
    """Whether a param is one of those that are tracked, lies in one, or holds one."""
    return any(f"{path}.".startswith(f"{other}.") or f"{other}.".startswith(f"{path}.") for other in tracked)


def _digest(content: Any) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:8]
