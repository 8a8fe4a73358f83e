"""What a sweep found: one row per cell from the experiments' own metrics, mean and spread over seeds."""

import csv
import functools
import io
import json
import statistics
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.layout import metrics_file
from pipeline.orchestration.sweeps.grid import AXES, Cell
from pipeline.orchestration.sweeps.workspaces import git

SEED = AXES["seed"]
STAGES = ("prepare", "pretrain", "probe", "interpret")  # those that write metrics
HEADLINE = ("accuracy", "knn", "gain", "dci_z", "zero_share", "rankme", "collapsed", "minutes")
DCI_Z = "dci_disentanglement_null_z"  # in the summary of interpret


@dataclass(frozen=True)
class Row:
    """A cell: its state (done, failed, stopped, waiting), its experiment and what it measured.

    headline: fractions, except gain (points), dci_z, rankme and minutes. others: further numbers, by path.
    """

    cell: Cell
    state: str
    reason: str
    experiment: str
    headline: dict[str, float | None]
    others: dict[str, float]
    device: str


@dataclass(frozen=True)
class Setting:
    """Cells that differ in their seed only: how many are done, mean and sample standard deviation."""

    swept: dict[str, Any]
    count: int
    cells: int
    mean: dict[str, float | None]
    spread: dict[str, float | None]


def read_row(root: Path, cell: Cell, revision: str | None, state: str, reason: str) -> Row:
    """The row of a cell; revision: its experiment's commit, None where there is none."""
    if revision is None:
        return Row(cell, state, reason, "", dict.fromkeys(HEADLINE), {}, "")
    content = read(root, revision)
    return Row(
        cell, state, reason, revision[:10], headline(content), numbers(content), content["pretrain"]["device"]
    )


@functools.cache
def read(root: Path, revision: str) -> dict[str, Any]:
    """The metrics files of an experiment's commit, by stage."""
    files = [str(metrics_file(stage)) for stage in STAGES]
    there = git(root, "ls-tree", "--name-only", revision, "--", *files).splitlines()
    return {Path(path).stem: json.loads(git(root, "show", f"{revision}:{path}")) for path in there}


def headline(content: dict[str, Any]) -> dict[str, float | None]:
    """The numbers that stand in the tables, of the set that was trained on (the first one probed).

    dci_z: disentanglement of the groups, in standard deviations above random groups of the same sizes.
    """
    name, summary = next(iter(content["probe"]["summary"].items()))
    pretrain = content["pretrain"]
    interpret = content.get("interpret", {}).get("summary", {}).get(name, {})
    return {
        "accuracy": (summary.get("mean_accuracy") or {}).get("encoder"),
        "knn": (summary.get("mean_knn_accuracy") or {}).get("encoder"),
        "gain": summary.get("gain_over_random_init"),
        "dci_z": interpret.get(DCI_Z),
        "zero_share": pretrain.get("zero_share"),
        "rankme": pretrain["final"].get("rankme"),
        "collapsed": float(pretrain["collapsed"]),
        "minutes": pretrain["minutes"],
    }


def numbers(content: dict[str, Any]) -> dict[str, float]:
    """Path -> number: the probes' summaries, what pretraining ended with, the summary of interpret."""
    parts = {
        "probe": content["probe"]["summary"],
        "pretrain.final": content["pretrain"]["final"],
        "pretrain.sparsity": content["pretrain"].get("sparsity", {}),
        "interpret": content.get("interpret", {}).get("summary", {}),
    }
    return {path: value for name, part in parts.items() for path, value in _leaves(name, part)}


def _leaves(path: str, node: Any) -> list[tuple[str, float]]:
    if isinstance(node, dict):
        return [leaf for key, value in node.items() for leaf in _leaves(f"{path}.{key}", value)]
    if isinstance(node, int | float) and not isinstance(node, bool):
        return [(path, node)]
    return []


def by_setting(rows: list[Row]) -> list[Setting]:
    """The rows by everything that is swept but the seed, in their order."""
    groups: dict[str, list[Row]] = {}
    for row in rows:
        key = json.dumps({path: value for path, value in row.cell.swept.items() if path != SEED})
        groups.setdefault(key, []).append(row)
    return [_setting(json.loads(key), group) for key, group in groups.items()]


def _setting(swept: dict[str, Any], rows: list[Row]) -> Setting:
    done = [row for row in rows if row.state == "done"]
    mean: dict[str, float | None] = {}
    spread: dict[str, float | None] = {}
    for name in HEADLINE:
        values = [value for row in done if (value := row.headline[name]) is not None]
        mean[name] = statistics.fmean(values) if values else None
        spread[name] = statistics.stdev(values) if len(values) > 1 else None
    return Setting(swept, len(done), len(rows), mean, spread)


def pareto(settings: list[Setting]) -> list[Setting]:
    """The settings that no other beats in both mean accuracy and mean share of zeros, by rising share."""
    known = [
        setting
        for setting in settings
        if setting.mean["accuracy"] is not None and setting.mean["zero_share"] is not None
    ]

    def key(setting: Setting) -> tuple[float, float]:
        return setting.mean["zero_share"] or 0.0, setting.mean["accuracy"] or 0.0

    front: list[Setting] = []
    for setting in sorted(known, key=key, reverse=True):
        if not front or key(setting)[1] > key(front[-1])[1]:
            front.append(setting)
    return front[::-1]


def table(rows: list[Row]) -> str:
    """All rows as CSV: the experiment, its params, the headline and every other number."""
    params = list(dict.fromkeys(path for row in rows for path in row.cell.overrides))
    others = list(dict.fromkeys(path for row in rows for path in row.others))
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(["name", "state", "reason", "experiment", *params, *HEADLINE, *others])
    for row in rows:
        values = [row.cell.overrides.get(path) for path in params]
        values += [row.headline[name] for name in HEADLINE] + [row.others.get(path) for path in others]
        writer.writerow(
            [row.cell.name, row.state, row.reason, row.experiment]
            + ["" if value is None else value for value in values]
        )
    return buffer.getvalue()
