"""docs/results.md and docs/baselines.md: the paper's claims with verdicts and figures, from the study's rows.

`python -m benchmarks.study page` writes them. tests/benchmarks/study/test_page.py fails where they differ
from the rows.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from benchmarks.study.baselines import (
    TASKS,
    best_dense,
    best_on_seed_20,
    by_seed,
    clevr_like_less,
    clevr_like_table,
    dense_table,
    interval,
    joined_less,
    joined_table,
    most_on_scenes,
    of,
    seed_20,
)
from benchmarks.study.figures import draw
from benchmarks.study.longer import (
    BEST_LONG,
    LIGHT_TITLE,
    NO_ZEROS,
    WEAKER,
    WEAKER_WITH_ZEROS,
    best_long_less,
    gains_by_length,
    learned,
    long_less,
    long_p,
    long_table,
    longest_end,
    longest_less,
    longest_table,
    module_adds,
    slow_less,
    slow_less_dense,
    slow_table,
    stretched_p,
    stretched_table,
    what_zeros_do,
    zeros_add_at_length,
)
from benchmarks.study.numbers import DEFAULT, TITLES, compared, group_runs, label_differences, p_text, runs
from benchmarks.study.plan import (
    BASELINE,
    CONTROL,
    FRESH,
    LONG_DENSE,
    LONG_GROUPS,
    LONG_HEAVIER,
    LONG_SPARSEJEPA,
    LONGEST,
    LONGEST_WEAKER,
    SLOW_GROUPS,
    SLOW_SPARSEJEPA,
    STRETCHED_DENSE,
    STRETCHED_GROUPS,
    STRETCHED_LIGHT,
    STRETCHED_SPARSEJEPA,
)
from benchmarks.study.results import missing
from benchmarks.study.tables import (
    LADDER_SETS,
    dial_table,
    gains_most_from_linear,
    ladder_table,
    method_table,
    trial_table,
)
from benchmarks.study.transfer import at_length, transfer_less, transfer_table
from benchmarks.study.tuning import TUNING, Difference, difference

TEMPLATES = Path(__file__).resolve().parent
ROOT = TEMPLATES.parents[1]
PAGES = (ROOT / "docs/results.md", ROOT / "docs/baselines.md")
GAIN_SETS = {"cifar100": "CIFAR-100", "cifar10": "CIFAR-10", "scenes": "scenes"}
SIGNIFICANT = 0.05  # of p values after Holm's correction
CLASSIFICATION = "sparsity improves classification"
LOW_LEVEL = "sparsity helps low-level tasks"
INTERPRETABLE = "groups are interpretable"
INFORMATION = "grouping lowers multiinformation"
# no claims of the paper, so README does not have them
WEAK_PREDICTORS, LONGER_TRAINING, SLOW_TARGET = "weak predictors", "longer training", "a slow target"
CIFAR_100_AT_LENGTH = "longer training on CIFAR-100"
VERDICTS = {
    CLASSIFICATION: "Supported beside the twin; undecided beside a stronger baseline. "
    "By k-NN not supported on CIFAR-100. Zeros add little.",
    LOW_LEVEL: "Supported on CLEVR-like scenes, also by transfer from CIFAR-100; "
    "not for zeros, nor on flat scenes.",
    INTERPRETABLE: "Undecided.",
    INFORMATION: "Supported, and nearly empty.",
}


def zeros_add(dataset: str) -> str:
    """The default less the same with lambda 0, by linear probe and k-NN."""
    (_, rows), (_, control) = runs(dataset, DEFAULT), runs(dataset, CONTROL)
    linear, knn = difference(rows, control, "linear"), difference(rows, control, "knn")
    return f"{TITLES[dataset]}: {interval(linear)}, k-NN {interval(knn)}."


def cifar10_less(column: str) -> Difference:
    """The default less the twin on CIFAR-10, where nothing was tuned."""
    return difference(runs("cifar10", DEFAULT)[1], runs("cifar10", BASELINE)[1], column)


def span(dataset: str, setting: str, column: str, seeds: Sequence[int] = (*FRESH, *TUNING)) -> str:
    """Smallest and largest value over seeds."""
    rows = of(dataset, setting)
    values = rows.loc[rows["seed"].isin(seeds), column].dropna()
    digits = 0 if values.abs().max() >= 20 else 1
    return f"{values.min():.{digits}f} to {values.max():.{digits}f}"


def undecided(less: Difference) -> bool:
    """Whether 0 lies inside the interval."""
    return less.low < 0 < less.high


def verdicts() -> dict[str, str]:
    """claim -> what this page says of it. Raises ValueError where the rows no longer bear a verdict."""
    _, _, gain, p = compared("cifar100")[DEFAULT]
    zeros = difference(runs("cifar100", DEFAULT)[1], runs("cifar100", CONTROL)[1], "linear")
    tasks = [clevr_like_less(best_dense(), task) for task in TASKS]
    fresh, slow = (
        rows[rows["seed"].isin(FRESH)] for rows in (of("scenes", name) for name in (LONG_GROUPS, SLOW_GROUPS))
    )
    labels, groups = label_differences(), {name: group_runs(name)["default"] for name in LADDER_SETS}
    bears = {
        CLASSIFICATION: p < SIGNIFICANT
        and gain.mean > 0 > zeros.low
        and all(undecided(joined_less(name)) for name in LADDER_SETS)
        and joined_less("cifar100", "knn").high < 0,
        LOW_LEVEL: all(less.low > 0 for less in tasks)
        and clevr_like_less("lambda0").high < 0
        and labels["count"].high < 0
        and labels["distance_bucket"].low < 0
        and all(less.low > 0 for less in at_length()),
        INTERPRETABLE: groups["cifar100"]["DCI z"].min() > 3 and groups["scenes"]["DCI z"].max() < 0,
        INFORMATION: all((rows["TC(G) z"] < -3).all() for rows in groups.values()),
        LONGER_TRAINING: module_adds(LONG_SPARSEJEPA).high < 0
        and long_less("scenes").low < 0
        and (fresh[["DCI z", "modularity z"]] > 3).all(axis=None),
        SLOW_TARGET: slow_less("linear").low > 0
        and all(undecided(slow_less_dense(score)) for score in ("linear", "knn"))
        and best_on_seed_20() == SLOW_GROUPS
        and all(
            long_less("scenes", "linear", dense, SLOW_GROUPS).low > 0 for dense in (LONG_DENSE, LONG_HEAVIER)
        )
        and (slow[["DCI z", "modularity z"]] > 3).all(axis=None),
        CIFAR_100_AT_LENGTH: all(
            long_less("cifar100", score, STRETCHED_DENSE, STRETCHED_GROUPS).high < 0
            for score in ("linear", "knn")
        )
        and undecided(long_less("cifar100", "linear", STRETCHED_DENSE, STRETCHED_SPARSEJEPA))
        and best_long_less("cifar100").low > 0
        and stretched_p()[LIGHT_TITLE] > SIGNIFICANT
        and undecided(long_less("cifar100", "knn", STRETCHED_DENSE, STRETCHED_LIGHT))
        and undecided(long_less("cifar100", "linear", WEAKER, WEAKER_WITH_ZEROS))
        and longest_less("linear", LONGEST_WEAKER) > 0 > longest_less("knn", LONGEST_WEAKER)
        and long_less("cifar100", "knn", STRETCHED_DENSE, STRETCHED_SPARSEJEPA).high < 0
        and all(longest_less(score) < -1 for score in ("linear", "knn"))
        and zeros_add_at_length("linear").low > 0
        and long_less("cifar100", "linear", NO_ZEROS, WEAKER).low > 0
        and long_less("cifar100", "linear", STRETCHED_SPARSEJEPA, WEAKER).high > 0,
        WEAK_PREDICTORS: gains_most_from_linear("scenes") and not gains_most_from_linear("cifar100"),
    }
    wrong = [claim for claim, holds in bears.items() if not holds]
    if wrong:
        raise ValueError(f"the rows no longer bear what is said of: {', '.join(wrong)}")
    return VERDICTS


def claims() -> dict[str, str]:
    """claim -> the verdict and the numbers behind it, for README.md. Those of the first are `gains`."""
    labels = label_differences()
    numbers = {
        CLASSIFICATION: "",
        LOW_LEVEL: "CLEVR-like, less the best dense: "
        + ", ".join(f"{task} {interval(clevr_like_less(best_dense(), task))}" for task in TASKS)
        + f"; zeros {interval(clevr_like_less('lambda0'))}. "
        "By transfer: "
        + ", ".join(interval(less) for less in at_length())
        + f". Flat: count {interval(labels['count'])}.",
        INTERPRETABLE: f"DCI's z: CIFAR-100 {span('cifar100', 'default', 'DCI z')}, "
        f"scenes {span('scenes', 'default', 'DCI z')}; there groups alone, in longer training, "
        f"{span('scenes', SLOW_GROUPS, 'DCI z', FRESH)}.",
        INFORMATION: "Any grouping does, by theorem. Nats that groups share: "
        f"CIFAR-100 {span('cifar100', 'default', 'TC(G), nats')}, "
        f"twin {span('cifar100', runs('cifar100', BASELINE)[0], 'TC(G), nats')}.",
    }
    said = verdicts()
    return {claim: f"**{said[claim]}** {sentence}".strip() for claim, sentence in numbers.items()}


def gains() -> list[tuple[str, ...]]:
    """What SparseJEPA gains by the linear probe over what a row names, with a cell a set of GAIN_SETS."""
    of_sets: dict[str, dict[str, Difference]] = {
        "its dense twin": {
            "cifar100": compared("cifar100")[DEFAULT][2],
            "cifar10": cifar10_less("linear"),
            "scenes": compared("scenes")[DEFAULT][2],
        },
        "dense, tuned further": {name: joined_less(name) for name in GAIN_SETS},
        "dense, 9,600 steps, best form": {name: best_long_less(name) for name in BEST_LONG},
        "itself without zeros": {
            name: difference(runs(name, DEFAULT)[1], runs(name, CONTROL)[1], "linear") for name in LADDER_SETS
        },
    }
    return [
        (title, *(interval(less[name]) if name in less else "–" for name in GAIN_SETS))
        for title, less in of_sets.items()
    ]


def pages() -> dict[Path, str]:
    """What each page says, from its template beside this file.

    Raises KeyError where a method that its sentences name has no rows.
    """
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        undefined=StrictUndefined,
        trim_blocks=True,
        keep_trailing_newline=True,
    )
    numbers = page_numbers()
    return {page: environment.get_template(f"{page.name}.j2").render(numbers) for page in PAGES}


def page_numbers() -> dict[str, Any]:
    """What the templates fill in."""
    (_, rows), (_, baseline) = runs("cifar100", DEFAULT), runs("cifar100", BASELINE)
    _, _, gain, _ = compared("cifar100")[DEFAULT]
    return {
        "twin": runs("cifar100", BASELINE)[0],
        "dense": f"{baseline['linear'].mean():.1f}",
        "sparse": f"{rows['linear'].mean():.1f}",
        "gain": gain,
        "verdicts": verdicts(),
        "scene_gain": compared("scenes")[DEFAULT][2],
        "knn": difference(rows, baseline, "knn"),
        "labels": label_differences(),
        "tables": {dataset: "\n".join(method_table(dataset)) for dataset in ("scenes", "cifar100")},
        "trials": "\n".join(trial_table()),
        "dial": "\n".join(dial_table()),
        "ladder": "\n".join(ladder_table()),
        "dense_settings": "\n".join(dense_table()),
        "joined": "\n".join(joined_table()),
        "joined_less": joined_less,
        "most": most_on_scenes,
        "long": "\n".join(long_table()),
        "longest": "\n".join(longest_table()),
        "longest_end": longest_end,
        "longest_less": longest_less,
        "gains_by_length": gains_by_length,
        "LONGEST": dict(zip(("dense", "sparse", "weaker"), (*LONGEST, LONGEST_WEAKER), strict=True)),
        "slow": "\n".join(slow_table()),
        "what_zeros_do": "\n".join(what_zeros_do()),
        "transfer": "\n".join(transfer_table()),
        "transfer_less": transfer_less,
        "LONG": {
            "dense": LONG_DENSE,
            "heavier": LONG_HEAVIER,
            "sparse": LONG_SPARSEJEPA,
            "groups": LONG_GROUPS,
        },
        "STRETCHED": {
            "dense": STRETCHED_DENSE,
            "sparse": STRETCHED_SPARSEJEPA,
            "groups": STRETCHED_GROUPS,
        },
        "SLOW": SLOW_SPARSEJEPA,
        "SLOW_GROUPS": SLOW_GROUPS,
        "SLOW_TWIN": f"twin-{SLOW_SPARSEJEPA}",
        "TUNING": TUNING,
        "seed_20": seed_20,
        "slow_less": slow_less,
        "slow_less_dense": slow_less_dense,
        "long_less": long_less,
        "long_p": lambda baseline: p_text(long_p(baseline)),
        "stretched": "\n".join(stretched_table()),
        "LIGHT": STRETCHED_LIGHT,
        "light_p": p_text(stretched_p()[LIGHT_TITLE]),
        "module_adds": lambda sparse: interval(module_adds(sparse)),
        "by_seed": by_seed,
        "FRESH": FRESH,
        "learned": learned,
        "clevr_like": "\n".join(clevr_like_table()),
        "clevr_like_less": clevr_like_less,
        "best_clevr_like": best_dense(),
        "tuning_seeds": ", ".join(map(str, TUNING)),
        "text": interval,
        "zeros_add": zeros_add,
        "zeros_add_at_length": zeros_add_at_length,
        "NO_ZEROS": NO_ZEROS,
        "WEAKER": WEAKER,
        "WEAKER_WITH_ZEROS": WEAKER_WITH_ZEROS,
        "left": ", ".join(f"{TITLES[name]} {len(missing(name))}" for name in TITLES),
        "cifar10_less": cifar10_less,
        "span": span,
    }


def write() -> None:
    """The pages and their figures."""
    for path, text in pages().items():
        path.write_text(text)
    draw()
