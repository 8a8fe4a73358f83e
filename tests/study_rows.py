"""Rows of the study for tests of its tables."""

import pandas as pd

from benchmarks.study.plan import TUNING


def rows(setting: str, validation: float, linear: float = 50.0, seeds=TUNING) -> pd.DataFrame:
    """A setting on some seeds, with the same scores on each."""
    scores = {"validation": validation, "linear": linear, "knn": 20.0, "one_percent": 8.0}
    return pd.DataFrame({"setting": setting, "seed": list(seeds), **scores})
