"""Encoders of CIFAR-100, probed for the paper's two tasks on scenes and on CLEVR-like scenes."""

import pandas as pd

from benchmarks.study.baselines import TUNED_TWIN, interval, of
from benchmarks.study.numbers import TITLES
from benchmarks.study.plan import (
    FRESH,
    JOINED_PAIR,
    LONGEST,
    LONGEST_WEAKER,
    STRETCHED_DENSE,
    STRETCHED_GROUPS,
    STRETCHED_LIGHT,
    STRETCHED_SPARSEJEPA,
)
from benchmarks.study.stacks import TRANSFER
from benchmarks.study.tuning import Difference, difference

TASKS = tuple((dataset, label) for dataset in ("clevr_like", "scenes") for label in TRANSFER[dataset])
AT_LENGTH = "SparseJEPA, 9,600 steps"
PAIRS = {  # title -> setting, and the dense one of the same steps
    "SparseJEPA, 2,400 steps": ("default", TUNED_TWIN["cifar100"]),
    "SparseJEPA, 4,120 steps": JOINED_PAIR[::-1],
    AT_LENGTH: (STRETCHED_SPARSEJEPA, STRETCHED_DENSE),
    "the same, lighter weights": (STRETCHED_LIGHT, STRETCHED_DENSE),
    "groups alone, 9,600 steps": (STRETCHED_GROUPS, STRETCHED_DENSE),
    "SparseJEPA, 57,600 steps": LONGEST[::-1],
    "the same, module of weight .3": (LONGEST_WEAKER, LONGEST[0]),
}


def fresh(setting: str) -> pd.DataFrame:
    """The rows of fresh seeds that have these scores; where there are none, those of the tuning seeds."""
    rows = of("cifar100", setting)
    rows = rows[rows["clevr_like, count_all"].notna()]
    chosen = rows[rows["seed"].isin(FRESH)]
    return rows if chosen.empty else chosen


def transfer_less(title: str, dataset: str, label: str) -> Difference:
    """One of PAIRS less dense, in points, for a label of `dataset`."""
    setting, dense = PAIRS[title]
    return difference(fresh(setting), fresh(dense), f"{dataset}, {label}")


def at_length() -> list[Difference]:
    """At 9,600 steps, SparseJEPA less dense, for each of the two tasks on CLEVR-like scenes."""
    return [transfer_less(AT_LENGTH, "clevr_like", label) for label in TRANSFER["clevr_like"]]


def transfer_table() -> list[str]:
    """PAIRS: a row each; for each of TASKS what the setting reads, in percent, and the same less dense."""
    heads = [f"{TITLES[dataset]}: `{label}` | less dense" for dataset, label in TASKS]
    lines = [f"| | seeds | {' | '.join(heads)} |", "|---|--:|" + "--:|" * 2 * len(TASKS)]
    for title, (setting, dense) in PAIRS.items():
        cells, seeds = [], 0
        for dataset, label in TASKS:
            less = transfer_less(title, dataset, label)
            both = fresh(setting).merge(fresh(dense), on="seed", suffixes=("", " of dense"))
            cells += [f"{both[f'{dataset}, {label}'].mean():.1f}", interval(less)]
            seeds = less.seeds
        lines.append(f"| {title} | {seeds} | {' | '.join(cells)} |")
    return lines
