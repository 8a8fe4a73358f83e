"""What a sweep found: one row per cell from the experiments' own metrics, mean and spread over seeds."""

import csv
import functools
import io
import json
import statistics
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from pipeline.contracts import interpret, pretrain, probe
from pipeline.layout import metrics_file
from pipeline.orchestration.sweeps.grid import AXES, Cell
from pipeline.orchestration.sweeps.workspaces import git
from pipeline.views import ENCODER

SEED = AXES["seed"]
HEADLINE = ("accuracy", "knn", "gain", "dci_z", "zero_share", "rankme", "collapsed", "minutes")


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
    measured = read_experiment(root, revision)
    experiment, device = revision[:10], measured.pretrain.device
    return Row(cell, state, reason, experiment, headline(measured), numbers(measured), device)


class Measured(NamedTuple):
    """The metrics of one run. interpret: None where the graph has no such stage."""

    pretrain: pretrain.Pretrain
    probe: probe.Probe
    interpret: interpret.Interpret | None


@functools.cache
def read_experiment(root: Path, revision: str) -> Measured:
    """The metrics files of an experiment's commit, which the stages of this code wrote."""

    def content(stage: str) -> dict[str, Any]:
        return json.loads(git(root, "show", f"{revision}:{metrics_file(stage)}"))

    there = git(root, "ls-tree", "--name-only", revision, "--", str(metrics_file("interpret")))
    return Measured(
        pretrain.Pretrain.model_validate(content("pretrain")),
        probe.Probe.model_validate(content("probe")),
        interpret.Interpret.model_validate(content("interpret")) if there else None,
    )


def read_measured(root: Path) -> Measured:
    """The metrics files of the working tree. Raises InputError where one is missing or broken."""
    file = root / metrics_file("interpret")
    return Measured(
        pretrain.read(root / metrics_file("pretrain")),
        probe.read(root / metrics_file("probe")),
        interpret.read(file) if file.exists() else None,
    )


def headline(measured: Measured) -> dict[str, float | None]:
    """The numbers that stand in the tables, of the set that was trained on (the first one probed).

    dci_z: disentanglement of the groups, in standard deviations above random groups of the same sizes.
    """
    name, summary = next(iter(measured.probe.summary.items()))
    groups = measured.interpret.summary[name] if measured.interpret else None
    return {
        "accuracy": summary.mean_accuracy.get(ENCODER),
        "knn": summary.mean_knn_accuracy.get(ENCODER),
        "gain": summary.gain_over_random_init,
        "dci_z": groups.dci_disentanglement_null_z if groups else None,
        "zero_share": measured.pretrain.zero_share,
        "rankme": measured.pretrain.final.rankme,
        "collapsed": float(measured.pretrain.collapsed),
        "minutes": measured.pretrain.minutes,
    }


def numbers(measured: Measured) -> dict[str, float]:
    """Path -> number: the probes' summaries, what pretraining ended with, the summary of interpret."""
    parts = {
        "probe": measured.probe.content()["summary"],
        "pretrain.final": measured.pretrain.final.content(),
        "pretrain.sparsity": measured.pretrain.sparsity.content(),
        "interpret": measured.interpret.content()["summary"] if measured.interpret else {},
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
