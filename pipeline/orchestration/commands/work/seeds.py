"""Mean and spread over seeds, and settings compared on the seeds that they share.

A table has a row per run: a column with the seed, columns with settings, columns with metrics (a sweep's, or
that of `dvc exp show --csv`). A probe.json stands beside its pretrain.json, which knows the seed.
"""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from pipeline.files import InputError, read_json
from pipeline.measure.paired import Comparison, compare, spread
from pipeline.params import read_tree

SEEDS = ("pretrain.seed", "seed")  # columns that hold the seed, unless --seed names another
HEADLINE = ("accuracy", "knn", "gain", "less_twin")  # a sweep's own metrics
PARAMS = Path(__file__).parents[4] / "params.yaml"


def read_runs(
    sources: list[str], by: list[str], seed: str | None, metrics: list[str]
) -> tuple[pd.DataFrame, list[str]]:
    """A row per run with columns `setting` and `seed` and one per metric; and the metrics.

    Raises InputError where a file is missing, a column is not there, or a setting has one seed twice.
    """
    if all(source.endswith(".json") for source in sources):
        runs, metrics = _from_probes(sources, metrics)
    elif len(sources) == 1:
        runs, metrics = _from_table(Path(sources[0]), by, seed, metrics)
    else:
        raise InputError(f"seeds: one table, or several NAME=probe.json, got {' '.join(sources)}")
    twice = runs[runs.duplicated(["setting", "seed"])]
    if len(twice):
        first = twice.iloc[0]
        raise InputError(
            f"{sources[0]}: {first['setting']} has seed {first['seed']} twice; "
            "name what tells the runs apart by --by"
        )
    return runs, metrics


def report(runs: pd.DataFrame, metrics: list[str], baseline: str | None) -> str:
    """A block per metric: each setting's n, mean and deviation, then each one less the baseline.

    Raises InputError where there is no such baseline or a metric has no number.
    """
    settings = list(dict.fromkeys(runs["setting"]))
    first = settings[0] if baseline is None else baseline
    if first not in settings:
        raise InputError(f"--baseline: no setting {first!r}; there are {', '.join(settings)}")
    width = max(map(len, settings))
    lines = []
    for metric in metrics:
        known = runs.dropna(subset=[metric])
        if known.empty:
            raise InputError(f"--metric: no run has a number for {metric}")
        lines += [metric, f"  {'setting':<{width}}  seeds        mean          sd"]
        for setting in settings:
            scores = known.loc[known["setting"] == setting, metric].to_numpy(np.float64)
            if len(scores) == 0:
                lines.append(f"  {setting:<{width}}  {0:>5}")
                continue
            summary = spread(scores)
            deviation = "–" if summary.sd is None else f"{summary.sd:.4f}"
            lines.append(f"  {setting:<{width}}  {summary.n:>5}  {summary.mean:>10.4f}  {deviation:>10}")
        others = [setting for setting in settings if setting != first]
        lines += [f"  {other} less {first}: {_against(known, metric, first, other)}" for other in others]
        if len(others) > 1:
            lines.append(f"  Each p-value is of its comparison alone; there are {len(others)}.")
        lines.append("")
    return "\n".join(lines).rstrip()


def _against(runs: pd.DataFrame, metric: str, first: str, second: str) -> str:
    left, right = (runs[runs["setting"] == setting].set_index("seed")[metric] for setting in (first, second))
    common = sorted(set(left.index) & set(right.index))
    if not common:
        return "no seed in common, so nothing to pair"
    comparison = compare(left[common].to_numpy(np.float64), right[common].to_numpy(np.float64))
    return _in_words(comparison, [str(seed) for seed in common])


def _in_words(comparison: Comparison, seeds: list[str]) -> str:
    named = f"{comparison.n} common seed{'s' if comparison.n > 1 else ''} ({', '.join(seeds)})"
    if comparison.low is None or comparison.high is None:
        return f"{comparison.difference:+.4f}; {named}: no interval, no test"
    return (
        f"{comparison.difference:+.4f} (95 % {comparison.low:+.4f} to {comparison.high:+.4f}), "
        f"p = {comparison.p:.3g}; {named}, with which p can be no smaller than {comparison.smallest_p:.3g}"
    )


def _from_table(
    path: Path, by: list[str], seed: str | None, metrics: list[str]
) -> tuple[pd.DataFrame, list[str]]:
    try:
        table = pd.read_csv(path)
    except FileNotFoundError:
        raise InputError(f"{path}: not found") from None
    except (pd.errors.EmptyDataError, pd.errors.ParserError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: not a table ({' '.join(str(error).split())})") from None
    columns = list(table.columns)
    seed_column = seed or next((name for name in SEEDS if name in columns), SEEDS[0])
    settings = [name for name in columns if name in _params() and name != seed_column]
    by = by or [name for name in settings if len(set(table[name].astype(str))) > 1]
    known = set(table.columns[table.notna().any()])
    metrics = metrics or [name for name in HEADLINE if name in known]
    for flag, names in (("--seed", [seed_column]), ("--by", by), ("--metric", metrics)):
        missing = [name for name in names if name not in columns]
        if missing or not names:
            what = f"no column {missing[0]!r}" if missing else "no column to take"
            raise InputError(f"{flag}: {path} has {what}; there are {', '.join(columns)}")
    table = table.dropna(subset=[seed_column])
    runs = pd.DataFrame({"seed": table[seed_column]})
    runs["setting"] = [", ".join(f"{name}={row[name]}" for name in by) for _, row in table.iterrows()]
    for metric in metrics:
        runs[metric] = pd.to_numeric(table[metric], errors="coerce")
    return runs, metrics


def _from_probes(sources: list[str], metrics: list[str]) -> tuple[pd.DataFrame, list[str]]:
    rows: list[dict[str, Any]] = []
    for source in sources:
        name, _, path = source.rpartition("=")
        probe = read_json(Path(path))
        seed = read_json(Path(path).with_name("pretrain.json"))["seed"]
        first = next(iter(probe["summary"]))
        metrics = metrics or [f"summary.{first}.mean_{kind}.encoder" for kind in ("accuracy", "knn_accuracy")]
        rows.append(
            {"setting": name or path, "seed": seed}
            | {metric: _leaf(probe, metric, path) for metric in metrics}
        )
    return pd.DataFrame(rows), metrics


def _leaf(tree: Any, dotted: str, path: str) -> float:
    for part in dotted.split("."):
        if not isinstance(tree, dict) or part not in tree:
            raise InputError(f"--metric: {path} has no {dotted}")
        tree = tree[part]
    if not isinstance(tree, int | float):
        raise InputError(f"--metric: {dotted} of {path} is no number: {json.dumps(tree)[:60]}")
    return float(tree)


def _params() -> set[str]:
    """Every dotted path of params.yaml."""

    def leaves(node: Any, prefix: str) -> set[str]:
        if not isinstance(node, dict):
            return {prefix.removesuffix(".")}
        return {leaf for key, value in node.items() for leaf in leaves(value, f"{prefix}{key}.")}

    return leaves(read_tree(PARAMS), "")
