"""What the pages of the study are made from: the chosen runs of each method, less dense ones."""

import numpy as np
import pandas as pd
from scipy import stats

from benchmarks.study.plan import BASELINE, CHOSEN_ON, METHODS
from benchmarks.study.results import chosen, read
from benchmarks.study.tuning import Difference, difference

TITLES = {
    "scenes": "scenes",
    "cifar100": "CIFAR-100",
    "cifar10": "CIFAR-10",
    "clevr_like": "CLEVR-like scenes",
}
DEFAULT = "SparseJEPA, the default"
WITH_GROUPS = ("default", "lambda0", "groups-only", "twin", "twin-weight0.03")
NUMBERS = ("DCI", "modularity", "MIG", "selectivity")


def holm(p_values: list[float]) -> list[float]:
    """p values corrected for their number (Holm 1979): in rising order, times what is left of them."""
    order = np.argsort(p_values)
    factors = np.arange(len(p_values), 0, -1)
    corrected = np.minimum(np.maximum.accumulate(np.array(p_values)[order] * factors), 1)
    return list(corrected[np.argsort(order)])


def p_text(p: float) -> str:
    """A p value in words: `.031`, or `<.001`."""
    return "<.001" if p < 0.001 else f"{p:.3f}".lstrip("0")


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
