"""Tables of docs/results.md: methods, what was tried for groups, lambda, and the ladder of predictors."""

import numpy as np
import pandas as pd

from benchmarks.common import STUDIES
from benchmarks.study.baselines import interval
from benchmarks.study.numbers import NUMBERS, TITLES, compared, p_text, runs
from benchmarks.study.plan import BASELINE, DIAL, FRESH
from benchmarks.study.results import read
from benchmarks.study.tuning import TUNING
from pipeline.embed.corruptions import CORRUPTIONS

TRIALS = {
    "default": "the default",
    "energies": "the same, and the groups' squared lengths made independent",
    "groups-only": "groups alone",
    "graded": "groups alone, of 1, 2, 4 and 9 features",
    "groups-group_lasso-0.1": "groups and group lasso, lambda .1",
    "groups-group_lasso-0.3": "groups and group lasso, lambda .3",
    "groups-group_lasso-1": "groups and group lasso, lambda 1",
    "twin": "VICReg, the dense twin",
}
LADDER_SETS = ("scenes", "cifar100")
RUNG_SUFFIXES = {  # title -> end of the settings' names
    "linear": "predictor-linear",
    "MLP": "predictor-mlp",
    "1 block": "predictor-1-block",
    "2 blocks, the default": "",
    "4 blocks": "predictor-4-blocks",
}


def method_table(dataset: str) -> list[str]:
    """A row a method: its scores, and the linear probe less the baseline's."""
    setting, baseline = runs(dataset, BASELINE)
    lines = [
        "| method | setting | seeds | linear | k-NN | 1 % | 10 % | 60 % wrong | corrupted | zeros "
        "| linear, less VICReg | p (Holm) |",
        "|---|---|" + "--:|" * 10,
        f"| {BASELINE} | `{setting}` | {scores(baseline)} | | |",
    ]
    for method, (setting, rows, less, p) in compared(dataset).items():
        lines.append(f"| {method} | `{setting}` | {scores(rows)} | {interval(less)} | {p_text(p)} |")
    return lines


def scores(rows: pd.DataFrame) -> str:
    """The cells of a method: how many seeds, and means over those that have the number."""
    corrupted = rows.reindex(columns=list(CORRUPTIONS)).mean(axis=1)
    columns = ["linear", "knn", "one_percent", "ten_percent", "noise60"]
    means = [rows.get(column, pd.Series(dtype=float)).mean() for column in columns] + [corrupted.mean()]
    zeros = rows["zero_share"].mean()
    cells = ["—" if np.isnan(mean) else f"{mean:.1f}" for mean in means]
    return " | ".join([str(len(rows)), *cells, "—" if np.isnan(zeros) else f"{100 * zeros:.0f} %"])


def trial_table() -> list[str]:
    """What was tried to make groups of scenes stand for factors."""
    rows = pd.read_csv(STUDIES / "study-scenes.csv")
    rows = rows[rows["seed"].isin(FRESH[:3])]
    lines = [
        "| | linear | TC(G), nats | " + " | ".join(f"{name} z" for name in NUMBERS) + " |",
        "|---|" + "--:|" * (2 + len(NUMBERS)),
    ]
    for setting, title in TRIALS.items():
        of_setting = rows[rows["setting"] == setting]
        cells = [f"{of_setting['linear'].mean():.1f}", f"{of_setting['TC(G), nats'].mean():.0f}"]
        cells += [", ".join(f"{z:.1f}" for z in of_setting[f"{name} z"]) for name in NUMBERS]
        lines.append(f"| {title} | {' | '.join(cells)} |")
    return lines


def dial_table() -> list[str]:
    """Share of zero columns and linear probe along lambda, on every set: means over seeds 10 to 12, of them
    those that ran at each lambda."""
    steps = {name: "0" if name == "lambda0" else name.removeprefix("lambda") for name in DIAL}
    steps["default"] = "0.04"
    lines = [f"| | {' | '.join(steps.values())} |", "|---|" + "--:|" * len(steps)]
    for dataset, title in TITLES.items():
        rows = read(dataset)
        rows = rows[rows["seed"].isin((10, 11, 12)) & rows["setting"].isin(steps)]
        rows = rows.reindex(columns=["setting", "seed", "zero_share", "linear"])
        runs_of_seed = rows.groupby("seed")["setting"].transform("nunique")
        rows = rows[runs_of_seed == rows["setting"].nunique()]
        means = [rows[rows["setting"] == name][["zero_share", "linear"]].mean() for name in steps]
        for column, scale, what in (("zero_share", 100, "zeros, %"), ("linear", 1, "linear probe, %")):
            cells = ["—" if np.isnan(mean[column]) else f"{scale * mean[column]:.1f}" for mean in means]
            lines.append(f"| {title}: {what} | {' | '.join(cells)} |")
    return lines


def ladder_gains(dataset: str, suffix: str) -> pd.DataFrame:
    """Linear probes of the dense twin and of the default with one kind of predictor, and what sparsity gains:
    `dense`, `sparse` and `gain` by seed, of the seeds that both have. suffix: of RUNG_SUFFIXES."""
    rows = read(dataset).set_index("seed")
    rows = rows[rows.index.isin(TUNING)]
    dense = rows.loc[rows["setting"] == f"twin{suffix and '-' + suffix}", "linear"]
    sparse = rows.loc[rows["setting"] == (suffix or "default"), "linear"]
    return pd.DataFrame({"dense": dense, "sparse": sparse, "gain": sparse - dense}).dropna()


def gains_most_from_linear(dataset: str) -> bool:
    """The plan's rule for the ladder: on every seed the gain is larger with a linear predictor than with two
    blocks."""
    linear, blocks = (
        ladder_gains(dataset, RUNG_SUFFIXES[name])["gain"] for name in ("linear", "2 blocks, the default")
    )
    return set(linear.index) == set(TUNING) and bool((linear > blocks[linear.index]).all())


def ladder_table() -> list[str]:
    """A row a kind of predictor: linear probes of the dense twin and of the default, and their difference
    over the seeds that both have."""
    lines = [
        "| predictor | "
        + " | ".join(f"{TITLES[name]}: dense | sparse | difference" for name in LADDER_SETS)
        + " |",
        "|---|" + "--:|" * 3 * len(LADDER_SETS),
    ]
    for title, suffix in RUNG_SUFFIXES.items():
        cells = []
        for dataset in LADDER_SETS:
            found = ladder_gains(dataset, suffix)
            mean, seeds = found.mean(), f" ({len(found)} seed{'s' if len(found) > 1 else ''})"
            both = [f"{mean[side]:.1f}" if len(found) else "—" for side in ("dense", "sparse")]
            cells += [*both, f"{mean['gain']:+.1f}{seeds}" if len(found) else "—"]
        lines.append(f"| {title} | {' | '.join(cells)} |")
    return lines
