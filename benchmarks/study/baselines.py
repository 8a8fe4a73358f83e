"""SparseJEPA beside stronger dense baselines: tables of docs/baselines.md, and CLEVR-like scenes."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.study.numbers import TITLES
from benchmarks.study.plan import (
    CLEVR_LIKE_TWINS,
    DENSE_SETTINGS,
    FRESH,
)
from benchmarks.study.results import read
from benchmarks.study.settings import DENSE
from benchmarks.study.tuning import Difference, difference

BASE = "dense-base"
DEFAULT_STEPS = 2400
CLEVR_LIKE_DENSE = ("twin", *CLEVR_LIKE_TWINS)
SPARSE = {  # title -> setting, on CLEVR-like scenes
    "groups alone": "groups-only",
    "oi-VAE alone": "oivae-only",
    "SparseJEPA, lambda 0": "lambda0",
    "SparseJEPA, the default": "default",
}
TUNED_TWIN = {
    "scenes": "twin",
    "cifar100": "twin-weight0.03",
    "cifar10": "twin-weight0.03",
    "clevr_like": "twin",
}  # of docs/study.md's first plan
JOINED_TITLE = "SparseJEPA, `joined3`"
SIDES = ("dense", "sparse")
TASKS = {"count": "linear, count_all", "distance": "linear, closest_object_distance"}


def of(dataset: str, setting: str) -> pd.DataFrame:
    rows = read(dataset)
    return rows[rows["setting"] == setting]


def best_dense() -> str:
    """CLEVR-like scenes: the dense setting with the best mean on validation images.

    Settings with three seeds take part, and the seeds that all of these have.
    """
    rows = read("clevr_like")
    scores = rows[rows["setting"].isin(CLEVR_LIKE_DENSE)].pivot(
        index="seed", columns="setting", values="validation"
    )
    return str(scores.dropna(axis=1, thresh=3).dropna().mean().idxmax())


def dense_table() -> list[str]:
    """CIFAR-100: each dense baseline of equal processor time, the best validation first; and one seed of
    CIFAR-10, where it ran there."""
    lines = [
        "| change | steps | validation | linear | k-NN | 1 % | linear, less none | CIFAR-10: linear |",
        "|---|" + "--:|" * 7,
    ]
    rows, elsewhere = read("cifar100"), read("cifar10")
    elsewhere = elsewhere[elsewhere["seed"] == FRESH[0]].set_index("setting")["linear"]
    elsewhere = elsewhere.rename({TUNED_TWIN["cifar10"]: BASE})  # the same params
    rows = rows[rows["setting"].isin(DENSE_SETTINGS)]
    base = rows[rows["setting"] == BASE]
    for setting in rows.groupby("setting")["validation"].mean().sort_values(ascending=False).index:
        of_setting = rows[rows["setting"] == setting]
        means = of_setting[["validation", "linear", "knn", "one_percent"]].mean()
        changes = DENSE[str(setting).removeprefix("dense-")]
        cells = [describe(changes), f"{changes.get('pretrain.steps', DEFAULT_STEPS):,}"]
        cells += [f"{mean:.1f}" for mean in means]
        cells.append("" if setting == BASE else interval(difference(of_setting, base, "linear")))
        cells.append(f"{elsewhere[setting]:.1f}" if setting in elsewhere else "—")
        lines.append(f"| {' | '.join(cells)} |")
    return lines


def describe(changes: dict[str, Any]) -> str:
    """What a dense setting changes, as params."""
    named = [f"`{key}={value}`".replace(" ", "") for key, value in changes.items() if key != "pretrain.steps"]
    return ", ".join(named) or "none"


def joined_table() -> list[str]:
    """Dense and sparse with the settings of the default, and with what helped the dense baseline most."""
    lines = [
        "| | seeds | dense | sparse | difference | k-NN: dense | sparse | 1 %: dense | sparse |",
        "|---|" + "--:|" * 8,
    ]
    for dataset, twin in TUNED_TWIN.items():
        for title, dense_name, sparse_name in (
            ("the default's settings", twin, "default"),
            ("`joined3`", "dense-joined3", "joined3"),
        ):
            dense, sparse = of(dataset, dense_name), of(dataset, sparse_name)
            if dense.empty or sparse.empty:
                continue
            less = difference(sparse, dense, "linear")
            both = dense.merge(sparse, on="seed", suffixes=(" dense", " sparse")).mean(numeric_only=True)
            cells = [f"{TITLES[dataset]}, {title}", str(less.seeds)]
            cells += [f"{both['linear dense']:.1f}", f"{both['linear sparse']:.1f}", interval(less)]
            cells += [f"{both[f'{score} {side}']:.1f}" for score in ("knn", "one_percent") for side in SIDES]
            lines.append(f"| {' | '.join(cells)} |")
    return lines


def clevr_like_table() -> list[str]:
    """CLEVR-like scenes: an encoder before training, dense settings, and SparseJEPA with its parts."""
    best = best_dense()
    lines = [
        f"| | seeds | {' | '.join(TASKS)} | both | k-NN | 1 % | zeros | both, less `{best}` |",
        "|---|" + "--:|" * 8,
    ]
    dense = {f"dense, `{name}`": name for name in CLEVR_LIKE_DENSE}
    for title, setting in (
        {"before training": "untrained"} | dense | SPARSE | {JOINED_TITLE: "joined3"}
    ).items():
        rows = of("clevr_like", setting)
        if rows.empty:
            continue
        means = rows[[*TASKS.values(), "linear", "knn", "one_percent"]].mean()
        zeros = rows["zero_share"].mean()
        cells = [title, str(len(rows)), *(f"{mean:.1f}" for mean in means)]
        cells.append("—" if np.isnan(zeros) else f"{100 * zeros:.0f} %")
        less = difference(rows, of("clevr_like", best), "linear")
        cells.append("" if setting == best else interval(less))
        lines.append(f"| {' | '.join(cells)} |")
    return lines


def clevr_like_less(other: str, score: str = "both", setting: str = "default") -> Difference:
    """A setting less another on CLEVR-like scenes. score: one of TASKS, or both."""
    return difference(of("clevr_like", setting), of("clevr_like", other), TASKS.get(score, "linear"))


def most_on_scenes(setting: str, column: str) -> str:
    """The best seed of a setting, percent."""
    return f"{of('scenes', setting)[column].max():.1f}"


def seed_20(setting: str, column: str, dataset: str = "scenes") -> str:
    """Seed 20 of a setting, percent."""
    rows = of(dataset, setting).set_index("seed")
    return f"{rows.loc[20, column]:.1f}"


def best_on_seed_20() -> str:
    """The setting that reads most of scenes there."""
    rows = read("scenes")
    rows = rows[rows["seed"] == 20].set_index("setting")
    return str(rows["linear"].idxmax())


def by_seed(
    setting: str, column: str, digits: int = 1, seeds: Sequence[int] = FRESH, dataset: str = "scenes"
) -> str:
    """Some seeds of a setting, as a list in words."""
    rows = of(dataset, setting).sort_values("seed")
    values = rows.loc[rows["seed"].isin(seeds), column]
    *first, last = [f"{value:.{digits}f}" for value in values]
    return f"{', '.join(first)} and {last}" if first else last


def joined_less(dataset: str, column: str = "linear") -> Difference:
    """SparseJEPA less the dense baseline, both with what helped the latter most."""
    return difference(of(dataset, "joined3"), of(dataset, "dense-joined3"), column)


def interval(less: Difference) -> str:
    if less.seeds < 2:
        return f"{less.mean:+.1f}"
    return f"{less.mean:+.1f} ({less.low:+.1f} to {less.high:+.1f})"
