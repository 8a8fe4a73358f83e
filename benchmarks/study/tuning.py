"""The settings around the default, chosen on validation: the page of their rows.

    python -m benchmarks.study.tuning --note TEXT    # tuning.md, from tuning-SET.csv

A setting is chosen by the validation accuracy of TUNING seeds. What it is worth is read on the test images of
FRESH seeds. stacks.py trains settings.
"""

import argparse
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy import stats

from benchmarks.common import STUDIES

SETS = ("scenes", "cifar100")
FRESH, TUNING = (10, 11, 12), (20, 21, 22)


class Difference(NamedTuple):
    """Mean of paired differences over the seeds that both have, and its 95 % interval by Student's t.

    NaN of what needs more seeds: the mean one, the interval two.
    """

    mean: float
    low: float
    high: float
    seeds: int

    def __str__(self) -> str:
        return f"{self.mean:+.2f} ({self.low:+.2f} to {self.high:+.2f}; {self.seeds} seeds)"


def difference(rows: pd.DataFrame, other: pd.DataFrame, column: str) -> Difference:
    """Of a setting less another, in points."""
    pairs = rows.set_index("seed")[column] - other.set_index("seed")[column]
    values = pairs.dropna().to_numpy()
    if len(values) < 2:
        return Difference(
            float(values.sum() / len(values)) if len(values) else np.nan, np.nan, np.nan, len(values)
        )
    mean, half = values.mean(), stats.t.ppf(0.975, len(values) - 1) * values.std(ddof=1) / len(values) ** 0.5
    return Difference(mean, mean - half, mean + half, len(values))


def read_rows(dataset: str) -> dict[str, pd.DataFrame]:
    """The rows of a set by setting."""
    rows = pd.read_csv(STUDIES / f"tuning-{dataset}.csv")
    return {str(name): of_setting for name, of_setting in rows.groupby("setting")}


def tuned(of_setting: pd.DataFrame) -> float:
    """The validation accuracy by which a setting is chosen, percent; NaN where no tuning seed ran."""
    return float(of_setting.loc[of_setting["seed"].isin(TUNING), "validation"].mean())


def chosen_twin(settings: dict[str, pd.DataFrame]) -> str:
    """The dense setting that is best on validation."""
    twins = [name for name in settings if name.startswith("twin")]
    return max(twins, key=lambda name: tuned(settings[name]))


def section(dataset: str) -> list[str]:
    """The table of one set, a row a setting, the best validation first."""
    settings = read_rows(dataset)
    best_twin = chosen_twin(settings)
    twin = settings[best_twin]
    lines = [
        f"## {dataset}",
        "",
        f"The dense twin that was chosen on validation is `{best_twin}`.",
        "",
        "| setting | validation, tuning seeds | linear, fresh seeds | k-NN | 1 % | zeros | "
        "linear less the chosen twin, all seeds |",
        "|---|" + "--:|" * 6,
    ]
    for name in sorted(settings, key=lambda name: -settings[name]["validation"].mean()):
        of_setting = settings[name]
        fresh = of_setting[of_setting["seed"].isin(FRESH)]
        zeros = of_setting["zero_share"].mean()
        cells = [
            f"`{name}`",
            "—" if np.isnan(tuned(of_setting)) else f"{tuned(of_setting):.2f}",
            *(f"{fresh[column].mean():.2f}" for column in ("linear", "knn", "one_percent")),
            "—" if np.isnan(zeros) else f"{100 * zeros:.0f} %",
            "" if name == best_twin else str(difference(of_setting, twin, "linear")),
        ]
        lines.append(f"| {' | '.join(cells)} |")
    default, dense = settings["default"], settings["lambda0"]
    lines += ["", "What zeros add, default less `lambda0`, in points:", ""]
    kinds = {"linear": "linear", "knn": "k-NN", "one_percent": "1 % labels"}
    lines += [f"* {title}: {difference(default, dense, column)}." for column, title in kinds.items()]
    labels = [column for column in default.columns if str(column).startswith("linear, ")]
    if len(labels) > 1:
        lines += ["", "By label, default less the chosen twin, and less `lambda0`:", ""]
        for column in labels:
            less = difference(default, twin, column), difference(default, dense, column)
            lines.append(f"* {str(column).removeprefix('linear, ')}: {less[0]}; {less[1]}.")
    return [*lines, ""]


def page(note: str) -> str:
    """The page of both sets; note: how the rows came about."""
    lines = [
        "# Settings around the default",
        "",
        "Every run has 2,400 steps of 128 images, in fp32. A setting is the default but for what its name",
        "says; `benchmarks/study/settings.py` lists them.",
        f"Choose by the column validation: it is of the seeds {', '.join(map(str, TUNING))}.",
        f"The columns of fresh seeds are of {', '.join(map(str, FRESH))}, on test images. All are percent.",
        "Differences are paired by seed; their 95 % intervals are Student's t over seeds.",
        "They are not corrected for the number of settings.",
        "",
        note,
        "",
    ]
    for dataset in SETS:
        table = STUDIES / f"tuning-{dataset}.csv"
        if table.exists():
            lines += section(dataset)
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--note", default="", help="where, when and at which commit the rows were made")
    arguments = parser.parse_args()
    (STUDIES / "tuning.md").write_text(page(arguments.note))


if __name__ == "__main__":
    main()
