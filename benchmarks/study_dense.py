"""SparseJEPA beside stronger dense baselines: tables of docs/baselines.md, and CLEVR-like scenes."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

from benchmarks.plan import (
    CLEVR_LIKE_TWINS,
    DENSE_SETTINGS,
    FRESH,
    LONG_DENSE,
    LONG_GROUPS,
    LONG_HEAVIER,
    LONG_SPARSEJEPA,
    LONGEST,
    SLOW_GROUPS,
    SLOW_SPARSEJEPA,
    STRETCHED_DENSE,
    STRETCHED_SPARSEJEPA,
)
from benchmarks.settings import DENSE
from benchmarks.study import read
from benchmarks.study_numbers import TITLES, holm
from benchmarks.tuning import Difference, difference

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
FORMS = {  # suffix of a joined setting of SparseJEPA -> what it is
    "": "SparseJEPA",
    "-groups-only": "groups alone",
    "-pairwise": "groups alone, of one feature each",
    "-oivae-only": "oi-VAE beside VICReg",
    "-0.97": "SparseJEPA, momentum falling to .97",
    "-late": "SparseJEPA, `sparsity.weight_warmup=1`",
    "-module0.1": "SparseJEPA, `sparsity.weight=0.1`",
    "-module0.3": "SparseJEPA, `sparsity.weight=0.3`",
    "-regularizer0.03": "SparseJEPA, `regularizer.weight=0.03`",
    "-groups-only-regularizer0.03": "groups alone, `regularizer.weight=0.03`",
    "-groups-only-groups64": "groups alone, `sparsity.groups=64`",
}
LENGTHS = {  # what a row says of its training -> dense and SparseJEPA
    "2,400 steps, `joined3`": ("dense-joined3-steps2400", "joined3-steps2400"),
    "4,120 steps, `joined3`": ("dense-joined3", "joined3"),
    "9,600 steps, `joined3`": (LONG_DENSE, LONG_SPARSEJEPA),
    "9,600 steps, `joined3`, a slower target": (STRETCHED_DENSE, STRETCHED_SPARSEJEPA),
    "57,600 steps, `joined3`, a slower target": LONGEST,
    "9,600 steps, the default's settings": ("twin-steps9600", "steps9600"),
    "9,600 steps, a slower target": (f"twin-{SLOW_SPARSEJEPA}", SLOW_SPARSEJEPA),
}
BEST_LONG = {  # what validation images of seed 20 chose at 9,600 steps, and the dense baseline beside it
    "cifar100": (STRETCHED_SPARSEJEPA, STRETCHED_DENSE),
    "scenes": (SLOW_GROUPS, LONG_DENSE),
}
SLOW_OTHERS = {  # title -> what groups alone with the slower target are held against
    "dense, fast target": LONG_DENSE,
    "the same, `regularizer.weight=0.1`": LONG_HEAVIER,
    "dense, slow target, `regularizer.weight=0.1`": f"twin-{SLOW_SPARSEJEPA}",
    "groups alone, fast target": LONG_GROUPS,
    "SparseJEPA, slow target": SLOW_SPARSEJEPA,
}
SCORES = {"all labels": "linear", "k-NN": "knn", "1 %": "one_percent"} | {
    label: f"linear, {label}" for label in ("light", "orientation", "count")
}
LONGEST_SCORES = {
    "linear probe": "linear",
    "k-NN": "knn",
    "1 % of the labels": "one_percent",
    "60 % wrong labels": "noise60",
    "CLEVR-like scenes: count": "clevr_like, count_all",
    "CLEVR-like scenes: distance": "clevr_like, closest_object_distance",
    "TC(G), nats": "TC(G), nats",
    "DCI, z": "DCI z",
    "modularity, z": "modularity z",
}
DENSE_FORMS = {"": "dense", "-weight0.1": "dense, `regularizer.weight=0.1`"}
LEARNED = 60.0  # by docs/study.md
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


def long_table() -> list[str]:
    """The joined settings at both lengths: dense, and each form of SparseJEPA that was tried."""
    lines = [
        "| training | what | seeds | validation | linear | k-NN | 1 % | linear, less dense |",
        "|---|---|" + "--:|" * 6,
    ]
    for dataset in ("scenes", "cifar100"):
        for training, (dense_name, sparse) in LENGTHS.items():
            dense = of(dataset, dense_name)
            titles = {f"{dense_name}{end}": form for end, form in DENSE_FORMS.items()}
            titles |= {f"{sparse}{end}": form for end, form in FORMS.items()}
            for setting, title in titles.items():
                rows = of(dataset, setting)
                if rows.empty:
                    continue
                cells = [f"{TITLES[dataset]}, {training}", title, str(len(rows))]
                cells += [
                    f"{rows[score].mean():.1f}" for score in ("validation", "linear", "knn", "one_percent")
                ]
                less = difference(rows, dense, "linear")
                cells.append("" if title == "dense" or not less.seeds else interval(less))
                lines.append(f"| {' | '.join(cells)} |")
    return lines


def longest_table() -> list[str]:
    """The long run of CIFAR-100: a line a score, with dense and SparseJEPA, here and at 9,600 steps."""
    dense, sparse = (of("cifar100", setting).set_index("seed").loc[20] for setting in LONGEST)
    before = [
        of("cifar100", name).set_index("seed").loc[20] for name in (STRETCHED_DENSE, STRETCHED_SPARSEJEPA)
    ]
    lines = [
        "| seed 20 | dense | SparseJEPA | difference | in 9,600 steps: dense | SparseJEPA | difference |",
        "|---|" + "--:|" * 6,
    ]
    for title, column in LONGEST_SCORES.items():
        values = [float(row[column]) for row in (dense, sparse, *before)]
        cells = [f"{value:.1f}" for value in values]
        differences = [f"{values[at + 1] - values[at]:+.1f}" for at in (0, 2)]
        lines.append(f"| {' | '.join([title, *cells[:2], differences[0], *cells[2:], differences[1]])} |")
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


def long_less(
    dataset: str, column: str = "linear", baseline: str = LONG_DENSE, groups: str = LONG_GROUPS
) -> Difference:
    """Groups alone, or another form, less a dense baseline, both at 9,600 steps. Of fresh seeds: the others
    chose the forms."""
    rows = of(dataset, groups)
    return difference(rows[rows["seed"].isin(FRESH)], of(dataset, baseline), column)


def long_p(baseline: str) -> float:
    """p of the paired t test that groups alone with the slower target read scenes better than a dense
    baseline, corrected by Holm's method for the two forms of groups alone that ran on the fresh seeds."""
    dense = of("scenes", baseline).set_index("seed")["linear"].loc[list(FRESH)]
    groups = (of("scenes", name).set_index("seed")["linear"] for name in (SLOW_GROUPS, LONG_GROUPS))
    return holm([float(stats.ttest_rel(rows.loc[list(FRESH)], dense).pvalue) for rows in groups])[0]


def best_long_less(dataset: str) -> Difference:
    """`long_less` of BEST_LONG."""
    form, dense = BEST_LONG[dataset]
    return long_less(dataset, "linear", dense, form)


def slow_table() -> list[str]:
    """Scenes, fresh seeds: groups alone with the slower target less SLOW_OTHERS, for SCORES."""
    lines = [f"| less | seeds | {' | '.join(SCORES)} |", "|---|--:|" + "--:|" * len(SCORES)]
    for title, other in SLOW_OTHERS.items():
        less = [long_less("scenes", column, other, SLOW_GROUPS) for column in SCORES.values()]
        lines.append(f"| {title} | {less[0].seeds} | {' | '.join(map(interval, less))} |")
    return lines


def module_adds(sparse: str) -> Difference:
    """On scenes, points that the module adds to groups alone. sparse: a setting; default, or a joined one."""
    groups = "groups-only" if sparse == "default" else f"{sparse}-groups-only"
    return difference(of("scenes", sparse), of("scenes", groups), "linear")


def slow_less(column: str) -> Difference:
    """On scenes, SparseJEPA with a slower target for four times the steps, less the default."""
    return difference(of("scenes", SLOW_SPARSEJEPA), of("scenes", "default"), column)


def slow_less_dense(column: str) -> Difference:
    """On scenes, the same less the dense baseline with its faster target, of the seeds that both have."""
    return difference(of("scenes", SLOW_SPARSEJEPA), of("scenes", LONG_DENSE), column)


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


def learned(setting: str, label: str) -> str:
    """On how many fresh seeds of scenes a probe tells a label at LEARNED percent or more, in words."""
    rows = of("scenes", setting)
    scores = rows.loc[rows["seed"].isin(FRESH), f"linear, {label}"]
    return f"{(scores >= LEARNED).sum()} of {len(scores)}"


def joined_less(dataset: str, column: str = "linear") -> Difference:
    """SparseJEPA less the dense baseline, both with what helped the latter most."""
    return difference(of(dataset, "joined3"), of(dataset, "dense-joined3"), column)


def interval(less: Difference) -> str:
    if less.seeds < 2:
        return f"{less.mean:+.1f}"
    return f"{less.mean:+.1f} ({less.low:+.1f} to {less.high:+.1f})"
