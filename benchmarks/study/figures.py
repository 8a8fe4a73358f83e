"""The figures of docs/results.md, one a claim, and of docs/baselines.md."""

from pathlib import Path

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from benchmarks.common import STUDIES
from benchmarks.study.baselines import SPARSE, TASKS, best_dense, clevr_like_less, of
from benchmarks.study.longer import LONGEST_HISTORY
from benchmarks.study.numbers import NUMBERS, TITLES, WITH_GROUPS, compared, group_runs, label_differences
from benchmarks.study.plan import (
    LONG_DENSE,
    LONG_GROUPS,
    LONG_HEAVIER,
    LONG_SPARSEJEPA,
    LONGEST,
    LONGEST_WEAKER,
    SLOW_GROUPS,
    SLOW_SPARSEJEPA,
)
from benchmarks.study.tuning import TUNING, Difference

SHOWN_Z = (-10, -3, 0, 3, 10)
LOWEST = -10.0  # points, on the axis of a figure of methods


def draw() -> None:
    """All of them, in results/studies."""
    draw_methods(STUDIES / "methods.svg")
    draw_longer(STUDIES / "longer.svg")
    draw_longest(STUDIES / "longest.svg")
    draw_labels(STUDIES / "labels.svg")
    draw_groups(STUDIES / "groups.svg")
    draw_sharing(STUDIES / "sharing.svg")


def draw_methods(path: Path) -> None:
    """Claim 1: each method less VICReg, a panel a set."""
    sets = ("scenes", "cifar100")
    figure, axes = plt.subplots(
        1, len(sets), figsize=(4.6 * len(sets), 4.2), layout="constrained", squeeze=False
    )
    for axis, dataset in zip(axes[0], sets, strict=True):
        points(axis, {method: less for method, (_, _, less, _) in compared(dataset).items()})
        axis.set_title(TITLES[dataset])
        axis.set_xlabel("linear probe less VICReg's, points")
    save(figure, path)


def draw_longer(path: Path) -> None:
    """Longer training: a line a seed, dotted where the seed served for tuning."""
    settings = {
        "dense": LONG_DENSE,
        "dense,\nweight .1": LONG_HEAVIER,
        "groups\nalone": LONG_GROUPS,
        "SparseJEPA": LONG_SPARSEJEPA,
        "groups,\nslow": SLOW_GROUPS,
        "SparseJEPA,\nslow": SLOW_SPARSEJEPA,
    }
    panels = {
        "linear": "scenes, mean of 11 labels",
        "linear, orientation": "orientation alone",
        "linear, light": "light alone",
    }
    looks = {True: {"color": "C1", "linestyle": ":"}, False: {"color": "C0", "linestyle": "-"}}
    figure, axes = plt.subplots(1, len(panels), figsize=(16.5, 3.8), layout="constrained")
    for axis, (column, title) in zip(axes, panels.items(), strict=True):
        scores = pd.DataFrame(
            {name: of("scenes", setting).set_index("seed")[column] for name, setting in settings.items()}
        )
        axis.set_xticks(range(len(settings)), list(settings))
        axis.set_xlim(-0.4, len(settings) - 0.6)
        for seed, values in scores.iterrows():
            known = np.flatnonzero(values.notna())
            axis.plot(
                known, values.iloc[known], marker="o", markersize=5, linewidth=0.9, **looks[seed in TUNING]
            )
        axis.set_ylabel("linear probe, %")
        axis.set_title(title)
    for chose, label in ((False, "fresh seeds"), (True, "tuning seeds")):
        axes[0].plot([], [], marker="o", label=label, **looks[chose])
    axes[0].legend(fontsize=8)
    save(figure, path)


def draw_longest(path: Path) -> None:
    """The long run of CIFAR-100: monitored scores of dense and SparseJEPA along the steps."""
    history = pd.read_csv(STUDIES / LONGEST_HISTORY)
    panels = {
        "ridge_accuracy_fine": (100, "ridge probe, fine label, %"),
        "knn_accuracy": (100, "k-NN, mean of both labels, %"),
        "rankme": (1, "RankMe, directions in use"),
    }
    labels = ("dense", "SparseJEPA, weight 1", "SparseJEPA, weight .3")
    figure, axes = plt.subplots(1, len(panels), figsize=(14, 3.4), layout="constrained")
    for axis, (column, (scale, title)) in zip(axes, panels.items(), strict=True):
        for label, setting in zip(labels, (*LONGEST, LONGEST_WEAKER), strict=True):
            rows = history[history["setting"] == setting]
            axis.plot(rows["step"], scale * rows[column], linewidth=1.2, label=label)
        axis.set_xlabel("step")
        axis.set_title(title)
    axes[0].legend(fontsize=8)
    save(figure, path)


def draw_labels(path: Path) -> None:
    """Claim 2: labels of scenes, and the paper's two tasks on CLEVR-like ones."""
    figure, (flat, clevr_like) = plt.subplots(1, 2, figsize=(10.4, 3.8), layout="constrained")
    points(flat, {name.replace("_", " "): less for name, less in label_differences().items()})
    flat.set_xlabel("linear probe, SparseJEPA less VICReg, points")
    flat.set_title(TITLES["scenes"])
    dense = best_dense()
    settings = {"before training": "untrained"} | SPARSE
    points(
        clevr_like,
        {
            f"{task}: {title}": clevr_like_less(dense, task, setting)
            for task in TASKS
            for title, setting in settings.items()
        },
    )
    clevr_like.set_xlabel("linear probe less the best dense, points")
    clevr_like.set_title(TITLES["clevr_like"])
    save(figure, path)


def points(axis: plt.Axes, differences: dict[str, Difference]) -> None:
    """Means and intervals, a line each, from the top. A mean below LOWEST is a triangle at the edge with its
    number, so that it does not squeeze the others."""
    outside = {name: less for name, less in differences.items() if less.mean < LOWEST}
    for name, less in outside.items():
        axis.plot(LOWEST, list(differences).index(name), "<", color="C0")
        axis.annotate(f" {less.mean:.1f}", (LOWEST, list(differences).index(name)), va="center")
    means = [np.nan if name in outside else less.mean for name, less in differences.items()]
    errors = [[less.mean - less.low for less in differences.values()]]
    errors += [[less.high - less.mean for less in differences.values()]]
    places = range(len(means))
    axis.errorbar(means, places, xerr=errors, fmt="o", markersize=4, capsize=2, color="C0")
    axis.axvline(0, color="0.5", linewidth=0.8)
    axis.set_yticks(list(places), list(differences))
    axis.invert_yaxis()


def with_seeds() -> list[str]:
    """The sets on which the default's groups were measured on several seeds."""
    return [name for name in TITLES if len(group_runs(name).get("default", ())) > 1]


def draw_groups(path: Path) -> None:
    """Claim 3: z of the groups on every seed, a panel a set."""
    sets = with_seeds()
    figure, axes = plt.subplots(
        1, len(sets), figsize=(4.6 * len(sets), 3.4), layout="constrained", squeeze=False
    )
    for axis, dataset in zip(axes[0], sets, strict=True):
        for setting, rows in group_runs(dataset).items():
            place = WITH_GROUPS.index(setting)
            for at, name in enumerate(NUMBERS):
                values = rows[f"{name} z"]
                shift = at + 0.12 * (place - 2)
                label = setting if at == 0 else None
                axis.plot(values, [shift] * len(values), "o", markersize=4, color=f"C{place}", label=label)
        axis.axvspan(-3, 3, color="0.9", zorder=0)
        axis.set_yticks(range(len(NUMBERS)), NUMBERS)
        axis.set_xscale("symlog", linthresh=10)
        lowest, highest = axis.get_xlim()
        axis.set_xlim(min(lowest, -11), max(highest, 11))
        axis.set_xticks(SHOWN_Z, [str(z) for z in SHOWN_Z])
        axis.set_title(TITLES[dataset])
        axis.set_xlabel("standard deviations above random groups")
        axis.legend(fontsize=8)
    save(figure, path)


def draw_sharing(path: Path) -> None:
    """Claim 4: TC(G) of the groups, a panel a set."""
    sets = with_seeds()
    figure, axes = plt.subplots(
        1, len(sets), figsize=(4.6 * len(sets), 2.6), layout="constrained", squeeze=False
    )
    for axis, dataset in zip(axes[0], sets, strict=True):
        found = group_runs(dataset)
        for place, (setting, rows) in enumerate(found.items()):
            values = rows["TC(G), nats"]
            color = f"C{WITH_GROUPS.index(setting)}"
            axis.plot(values, [place] * len(values), "o", markersize=4, color=color)
        axis.set_yticks(range(len(found)), list(found))
        axis.set_xlim(left=0)
        axis.invert_yaxis()
        axis.set_title(TITLES[dataset])
        axis.set_xlabel("TC between groups, nats")
    save(figure, path)


def save(figure: plt.Figure, path: Path) -> None:
    mpl.rcParams["svg.hashsalt"] = path.stem
    figure.savefig(path, metadata={"Date": None})
    plt.close(figure)
