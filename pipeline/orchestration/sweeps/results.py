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
from pipeline.digests import unsealed
from pipeline.layout import metrics_file
from pipeline.orchestration.sweeps.grid import AXES, Cell
from pipeline.orchestration.sweeps.workspaces import git
from pipeline.views import ENCODER, TWIN

SEED = AXES["seed"]
HEADLINE = ("accuracy", "knn", "gain", "less_twin", "dci_z", "zero_share", "rankme", "collapsed", "minutes")


@dataclass(frozen=True)
class Row:
    """A cell: its state (done, failed, stopped, waiting), its experiment and what it measured.

    headline: fractions, except gain and less_twin (points), dci_z, rankme and minutes. others: further
    numbers, by path. twin: the headline of its dense twin, None where there is none.
    """

    cell: Cell
    state: str
    reason: str
    experiment: str
    headline: dict[str, float | None]
    others: dict[str, float]
    device: str
    twin: dict[str, float | None] | None = None


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
    return Row(cell, state, reason, revision[:10], *_read_numbers(root, revision))


@functools.cache
def _read_numbers(root: Path, revision: str) -> tuple[Any, ...]:
    """What a row shows of an experiment; kept, as a row is read anew whenever a cell ends."""
    measured = read_experiment(root, revision)
    return headline(measured), numbers(measured), measured.pretrain.device, twin_headline(measured)


class Measured(NamedTuple):
    """The metrics of one run. interpret: None where the graph has no such stage."""

    pretrain: pretrain.Pretrain
    probe: probe.Probe
    interpret: interpret.Interpret | None


def read_experiment(root: Path, revision: str) -> Measured:
    """The metrics files of an experiment's commit, which the stages of this code wrote."""

    def content(stage: str) -> dict[str, Any]:
        return unsealed(json.loads(git(root, "show", f"{revision}:{metrics_file(stage)}")))

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

    less_twin: accuracy less that of the dense twin. dci_z: disentanglement of the groups, in standard
    deviations above random groups of the same sizes.
    """
    name, summary = next(iter(measured.probe.summary.items()))
    less_twin = summary.less_twin["accuracy"].mean if summary.less_twin else None
    groups = measured.interpret.summary[name] if measured.interpret else None
    return {
        "accuracy": summary.mean_accuracy.get(ENCODER),
        "knn": summary.mean_knn_accuracy.get(ENCODER),
        "gain": summary.gain_over_random_init,
        "less_twin": None if less_twin is None else 100 * less_twin,
        "dci_z": groups.dci_disentanglement_null_z if groups else None,
        "zero_share": measured.pretrain.zero_share,
        "rankme": measured.pretrain.final.rankme,
        "collapsed": float(measured.pretrain.collapsed),
        "minutes": measured.pretrain.minutes,
    }


def twin_headline(measured: Measured) -> dict[str, float | None] | None:
    """The numbers of the dense twin beside those of `headline`: it has no group lasso, hence no zero column.

    None where there is no twin.
    """
    name, summary = next(iter(measured.probe.summary.items()))
    if summary.mean_accuracy.get(TWIN) is None:
        return None
    groups = measured.interpret.twin.get(name) if measured.interpret else None
    return dict.fromkeys(HEADLINE) | {
        "accuracy": summary.mean_accuracy[TWIN],
        "knn": summary.mean_knn_accuracy.get(TWIN),
        "dci_z": groups.dci_disentanglement_null_z if groups else None,
        "zero_share": 0.0,
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
    return [
        _setting(json.loads(key), [row.headline for row in group if row.state == "done"], len(group))
        for key, group in groups.items()
    ]


def dense_twins(rows: list[Row]) -> list[Setting]:
    """The dense twins as settings of their own, each seed counted once; empty where no done row has one.

    Rows share a twin where they agree in what it depends on. A sweep of sparsity alone has one twin a seed,
    hence one setting. A sweep of, say, the learning rate has one for each rate: `swept` is what tells them
    apart.
    """
    groups: dict[str, list[Row]] = {}
    for row in rows:
        swept = {path: value for path, value in row.cell.swept.items() if path in row.cell.twin_axes}
        key = json.dumps({path: value for path, value in swept.items() if path != SEED})
        groups.setdefault(key, []).append(row)
    twins = []
    for key, group in groups.items():
        seeds = {row.cell.swept.get(SEED) for row in group}
        known = {row.cell.swept.get(SEED): row.twin for row in group if row.state == "done" and row.twin}
        if known:
            twins.append(_setting(json.loads(key), list(known.values()), len(seeds)))
    return twins


def _setting(swept: dict[str, Any], headlines: list[dict[str, float | None]], cells: int) -> Setting:
    """headlines: of the cells that are done, of `cells` cells."""
    mean: dict[str, float | None] = {}
    spread: dict[str, float | None] = {}
    for name in HEADLINE:
        values = [value for numbers in headlines if (value := numbers[name]) is not None]
        mean[name] = statistics.fmean(values) if values else None
        spread[name] = statistics.stdev(values) if len(values) > 1 else None
    return Setting(swept, len(headlines), cells, mean, spread)


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
