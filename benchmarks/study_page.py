"""docs/results.md: the paper's claims, each with a verdict and a figure, from the rows of the study.

`python -m benchmarks.study page` writes it. tests/benchmarks/test_study.py fails where page and rows differ.
"""

from pathlib import Path

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from jinja2 import Environment, StrictUndefined
from scipy import stats

from benchmarks.methods_report import STUDIES
from benchmarks.study import BASELINE, CHOSEN_ON, CONTROL, DIAL, METHODS, chosen, read
from benchmarks.tuning import TUNING, Difference, difference
from pipeline.embed.corruptions import CORRUPTIONS

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs/results.md"
TEMPLATE = Path(__file__).with_name("results.md.j2")
SIGNIFICANT = 0.05  # of p values after Holm's correction
TITLES = {"scenes": "scenes", "cifar100": "CIFAR-100", "cifar10": "CIFAR-10"}
DEFAULT = "SparseJEPA, the default"
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
CLASSIFICATION = "sparsity improves classification"
LOW_LEVEL = "sparsity helps low-level tasks"
INTERPRETABLE = "groups are interpretable"
INFORMATION = "grouping lowers multiinformation"
VERDICTS = {
    CLASSIFICATION: "Supported for module and groups together, but not for zeros.",
    LOW_LEVEL: "Not supported for the paper's own two tasks.",
    INTERPRETABLE: "Undecided.",
    INFORMATION: "Supported, and nearly empty.",
}
WITH_GROUPS = ("default", "lambda0", "groups-only", "twin", "twin-weight0.03")
LOWEST = -10.0  # points, on the axis of a figure of methods
LADDER_SETS = ("scenes", "cifar100")
RUNG_SUFFIXES = {  # title -> end of the settings' names
    "linear": "predictor-linear",
    "MLP": "predictor-mlp",
    "1 block": "predictor-1-block",
    "2 blocks, the default": "",
    "4 blocks": "predictor-4-blocks",
}
NUMBERS = ("DCI", "modularity", "MIG", "selectivity")


def holm(p_values: list[float]) -> list[float]:
    """p values corrected for their number (Holm 1979): in rising order, times what is left of them."""
    order = np.argsort(p_values)
    factors = np.arange(len(p_values), 0, -1)
    corrected = np.minimum(np.maximum.accumulate(np.array(p_values)[order] * factors), 1)
    return list(corrected[np.argsort(order)])


def runs(dataset: str, method: str) -> tuple[str, pd.DataFrame]:
    """The setting of a method that was chosen, and its rows on a set."""
    setting = chosen(method, read(CHOSEN_ON[dataset])) or METHODS[method][0]
    rows = read(dataset)
    return setting, rows[rows["setting"] == setting]


def compared(dataset: str) -> dict[str, tuple[str, pd.DataFrame, Difference, float]]:
    """method -> its setting, its rows, its linear probe less the baseline's, and Holm's p; methods that share
    two seeds or more with the baseline, and another setting."""
    base, baseline = runs(dataset, BASELINE)
    found: dict[str, tuple[str, pd.DataFrame, Difference]] = {}
    p_values = []
    for method in METHODS:
        setting, rows = runs(dataset, method)
        taken = {known for known, *_ in found.values()}
        if setting == base or setting in taken or len(set(rows["seed"]) & set(baseline["seed"])) < 2:
            continue
        pairs = (rows.set_index("seed")["linear"] - baseline.set_index("seed")["linear"]).dropna()
        found[method] = setting, rows, difference(rows, baseline, "linear")
        p_values.append(float(stats.ttest_1samp(pairs, 0).pvalue))
    corrected = holm(p_values)
    return {method: (*of_method, p) for (method, of_method), p in zip(found.items(), corrected, strict=True)}


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
        p_text = "<.001" if p < 0.001 else f"{p:.3f}".lstrip("0")
        interval = f"{less.mean:+.1f} ({less.low:+.1f} to {less.high:+.1f})"
        lines.append(f"| {method} | `{setting}` | {scores(rows)} | {interval} | {p_text} |")
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
    """Share of zero columns and linear probe along lambda, on every set: means over those of seeds 10 to 12
    that ran."""
    steps = {name: "0" if name == "lambda0" else name.removeprefix("lambda") for name in DIAL}
    steps["default"] = "0.04"
    lines = [f"| | {' | '.join(steps.values())} |", "|---|" + "--:|" * len(steps)]
    for dataset, title in TITLES.items():
        rows = read(dataset)
        rows = rows[rows["seed"].isin((10, 11, 12))]
        rows = rows.reindex(columns=["setting", "zero_share", "linear"])
        means = [rows[rows["setting"] == name][["zero_share", "linear"]].mean() for name in steps]
        for column, scale, what in (("zero_share", 100, "zeros, %"), ("linear", 1, "linear probe, %")):
            cells = ["—" if np.isnan(mean[column]) else f"{scale * mean[column]:.1f}" for mean in means]
            lines.append(f"| {title}: {what} | {' | '.join(cells)} |")
    return lines


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
            rows = read(dataset).set_index("seed")
            rows = rows[rows.index.isin(TUNING)]
            dense = rows.loc[rows["setting"] == f"twin{suffix and '-' + suffix}", "linear"]
            sparse = rows.loc[rows["setting"] == (suffix or "default"), "linear"]
            less = (sparse - dense).dropna()
            both = [f"{part[less.index].mean():.1f}" for part in (dense, sparse)] if len(less) else ["—", "—"]
            seeds = f" ({len(less)} seed{'s' if len(less) > 1 else ''})"
            cells += [*both, f"{less.mean():+.1f}{seeds}" if len(less) else "—"]
        lines.append(f"| {title} | {' | '.join(cells)} |")
    return lines


def label_differences() -> dict[str, Difference]:
    """On scenes, the default less the chosen VICReg by label, in points of the linear probe."""
    (_, rows), (_, baseline) = runs("scenes", DEFAULT), runs("scenes", BASELINE)
    columns = [name for name in rows.columns if name.startswith("linear, ")]
    return {name.removeprefix("linear, "): difference(rows, baseline, name) for name in columns}


def group_runs(dataset: str) -> dict[str, pd.DataFrame]:
    """By setting, the rows that have numbers of groups."""
    rows = read(dataset)
    rows = rows[rows["DCI z"].notna()] if "DCI z" in rows else rows.head(0)
    return {str(name): part for name, part in rows.groupby("setting") if name in WITH_GROUPS}


def draw_methods(path: Path) -> None:
    """Claim 1: each method less VICReg, a panel a set."""
    sets = [name for name in TITLES if compared(name)]
    figure, axes = plt.subplots(
        1, len(sets), figsize=(4.6 * len(sets), 4.2), layout="constrained", squeeze=False
    )
    for axis, dataset in zip(axes[0], sets, strict=True):
        points(axis, {method: less for method, (_, _, less, _) in compared(dataset).items()})
        axis.set_title(TITLES[dataset])
        axis.set_xlabel("linear probe less VICReg's, points")
    save(figure, path)


def draw_labels(path: Path) -> None:
    """Claim 2: labels of scenes."""
    figure, axis = plt.subplots(figsize=(6.4, 3.8), layout="constrained")
    points(axis, {name.replace("_", " "): less for name, less in label_differences().items()})
    axis.set_xlabel("SparseJEPA less VICReg, points of the linear probe")
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


def draw_groups(path: Path) -> None:
    """Claim 3: z of the groups on every seed, a panel a set."""
    sets = [name for name in TITLES if group_runs(name)]
    figure, axes = plt.subplots(
        1, len(sets), figsize=(4.6 * len(sets), 3.4), layout="constrained", squeeze=False
    )
    for axis, dataset in zip(axes[0], sets, strict=True):
        for place, (setting, rows) in enumerate(group_runs(dataset).items()):
            for at, name in enumerate(NUMBERS):
                values = rows[f"{name} z"]
                shift = at + 0.12 * (place - 1)
                label = setting if at == 0 else None
                axis.plot(values, [shift] * len(values), "o", markersize=4, color=f"C{place}", label=label)
        axis.axvspan(-3, 3, color="0.9", zorder=0)
        axis.set_yticks(range(len(NUMBERS)), NUMBERS)
        axis.set_xscale("symlog", linthresh=10)
        axis.set_title(TITLES[dataset])
        axis.set_xlabel("standard deviations above random groups")
        axis.legend(fontsize=8)
    save(figure, path)


def draw_sharing(path: Path) -> None:
    """Claim 4: TC(G) of the groups, a panel a set."""
    sets = [name for name in TITLES if group_runs(name)]
    figure, axes = plt.subplots(
        1, len(sets), figsize=(4.6 * len(sets), 2.6), layout="constrained", squeeze=False
    )
    for axis, dataset in zip(axes[0], sets, strict=True):
        found = group_runs(dataset)
        for place, rows in enumerate(found.values()):
            values = rows["TC(G), nats"]
            axis.plot(values, [place] * len(values), "o", markersize=4, color=f"C{place}")
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


def zeros_add(dataset: str) -> str:
    """The default less the same with lambda 0, by linear probe and k-NN."""
    (_, rows), (_, control) = runs(dataset, DEFAULT), runs(dataset, CONTROL)
    linear, knn = difference(rows, control, "linear"), difference(rows, control, "knn")
    return f"{TITLES[dataset]}: {text(linear)}, k-NN {text(knn)}."


def text(less: Difference) -> str:
    return f"{less.mean:+.1f} ({less.low:+.1f} to {less.high:+.1f})"


def span(dataset: str, setting: str, column: str) -> str:
    """Smallest and largest value over seeds."""
    values = group_runs(dataset)[setting][column]
    digits = 0 if values.abs().max() >= 20 else 1
    return f"{values.min():.{digits}f} to {values.max():.{digits}f}"


def verdicts() -> dict[str, str]:
    """claim -> what this page says of it. Raises ValueError where the rows no longer bear a verdict."""
    _, _, gain, p = compared("cifar100")[DEFAULT]
    zeros = difference(runs("cifar100", DEFAULT)[1], runs("cifar100", CONTROL)[1], "linear")
    labels, groups = label_differences(), {name: group_runs(name)["default"] for name in LADDER_SETS}
    bears = {
        CLASSIFICATION: p < SIGNIFICANT and gain.mean > 0 and zeros.low < 0,
        LOW_LEVEL: labels["count"].high < 0 and labels["distance_bucket"].low < 0,
        INTERPRETABLE: groups["cifar100"]["DCI z"].min() > 3 and groups["scenes"]["DCI z"].max() < 0,
        INFORMATION: all((rows["TC(G) z"] < -3).all() for rows in groups.values()),
    }
    wrong = [claim for claim, holds in bears.items() if not holds]
    if wrong:
        raise ValueError(f"the rows no longer bear what is said of: {', '.join(wrong)}")
    return VERDICTS


def claims() -> dict[str, str]:
    """claim -> the verdict and the numbers behind it, for README.md."""
    _, _, gain, _ = compared("cifar100")[DEFAULT]
    _, _, scene_gain, _ = compared("scenes")[DEFAULT]
    labels = label_differences()
    zeros = {
        name: text(difference(runs(name, DEFAULT)[1], runs(name, CONTROL)[1], "linear"))
        for name in LADDER_SETS
    }
    numbers = {
        CLASSIFICATION: "Linear probe less the tuned twin's: "
        f"CIFAR-100 {text(gain)}, scenes {text(scene_gain)}. "
        f"Zeros add {zeros['cifar100']} and {zeros['scenes']}.",
        LOW_LEVEL: f"Scenes: count {text(labels['count'])}, distance {text(labels['distance_bucket'])}, "
        f"light {text(labels['light'])}.",
        INTERPRETABLE: f"z of DCI: CIFAR-100 {span('cifar100', 'default', 'DCI z')}, "
        f"scenes {span('scenes', 'default', 'DCI z')}.",
        INFORMATION: "Any grouping lowers it, by theorem. Nats that groups share: "
        f"CIFAR-100 {span('cifar100', 'default', 'TC(G), nats')}, "
        f"twin {span('cifar100', runs('cifar100', BASELINE)[0], 'TC(G), nats')}.",
    }
    said = verdicts()
    return {claim: f"**{said[claim]}** {sentence}" for claim, sentence in numbers.items()}


def page() -> str:
    """The page, from results.md.j2; raises KeyError where a method that its sentences name has no rows."""
    template = Environment(
        undefined=StrictUndefined, trim_blocks=True, keep_trailing_newline=True
    ).from_string(TEMPLATE.read_text())
    (_, rows), (_, baseline) = runs("cifar100", DEFAULT), runs("cifar100", BASELINE)
    _, _, gain, _ = compared("cifar100")[DEFAULT]
    return template.render(
        twin=runs("cifar100", BASELINE)[0],
        dense=f"{baseline['linear'].mean():.1f}",
        sparse=f"{rows['linear'].mean():.1f}",
        gain=gain,
        verdicts=verdicts(),
        scene_gain=compared("scenes")[DEFAULT][2],
        knn=difference(rows, baseline, "knn"),
        labels=label_differences(),
        tables={dataset: "\n".join(method_table(dataset)) for dataset in ("scenes", "cifar100")},
        trials="\n".join(trial_table()),
        dial="\n".join(dial_table()),
        ladder="\n".join(ladder_table()),
        tuning_seeds=", ".join(map(str, TUNING)),
        text=text,
        zeros_add=zeros_add,
        span=span,
    )


def write() -> None:
    """The page and its figures."""
    PAGE.write_text(page())
    draw_methods(STUDIES / "methods.svg")
    draw_labels(STUDIES / "labels.svg")
    draw_groups(STUDIES / "groups.svg")
    draw_sharing(STUDIES / "sharing.svg")
