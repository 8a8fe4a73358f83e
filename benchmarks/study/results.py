"""The rows of the study: what has run, what validation chose of it, and what the plan still lacks.

They are in benchmarks/results/studies/study-SET.csv. What has a row there, or in the earlier
tuning-SET.csv, is not trained again.
"""

from functools import cache
from pathlib import Path

import pandas as pd

from benchmarks.common import STUDIES
from benchmarks.study.plan import BASELINE, CHOSEN_ON, FRESH, METHODS, PARTS, RIVALS
from benchmarks.study.settings import Cell
from benchmarks.study.tuning import TUNING, tuned


def read(dataset: str) -> pd.DataFrame:
    """The rows of a set. Of a run in both tables the earlier numbers stay: pairs are of one machine."""
    paths = [STUDIES / f"{name}-{dataset}.csv" for name in ("tuning", "study")]
    return _joined(tuple((path, path.stat().st_mtime_ns) for path in paths if path.exists())).copy()


@cache
def _joined(tables: tuple[tuple[Path, int], ...]) -> pd.DataFrame:
    """tables: each path and when it last changed. Kept, since a page reads them hundreds of times."""
    rows = pd.DataFrame({"setting": [], "seed": [], "validation": []}).set_index(["setting", "seed"])
    for path, _ in tables:
        rows = rows.combine_first(pd.read_csv(path).set_index(["setting", "seed"]))
    return rows.reset_index()


def chosen(method: str, rows: pd.DataFrame) -> str | None:
    """The setting of a method that is best on validation of the tuning seeds, of those that have rows.

    rows: of the set that the choice is made on. None where no setting has any.
    """
    if len(METHODS[method]) == 1:
        return METHODS[method][0]
    scores = {name: tuned(rows[rows["setting"] == name]) for name in METHODS[method]}
    scores = {name: score for name, score in scores.items() if pd.notna(score)}
    return max(scores, key=lambda name: scores[name]) if scores else None


def to_tune(method: str, dataset: str) -> tuple[str, ...]:
    """The settings of a method that run on the tuning seeds of a set. Of a rival all are tried on scenes, and
    the one that scenes chose on CIFAR-100."""
    if CHOSEN_ON[dataset] != dataset:
        return ()
    settled = method in RIVALS and dataset != "scenes" and chosen(method, read("scenes"))
    return (settled,) if settled else METHODS[method]


def ends_early(method: str, rows: pd.DataFrame) -> bool:
    """Whether a rival reads less than the dense twin on the validation images of every tuning seed."""
    rival, twin = (chosen(name, rows) for name in (method, BASELINE))
    if method not in RIVALS or rival is None or twin is None:
        return False
    scores = rows.set_index(["setting", "seed"])["validation"]
    if not all((name, seed) in scores.index for name in (rival, twin) for seed in TUNING):
        return False
    return bool((scores[rival].loc[list(TUNING)] < scores[twin].loc[list(TUNING)]).all())


def missing(dataset: str) -> list[Cell]:
    """The runs without a row: those of the tuning seeds, then the chosen settings on the fresh seeds, then
    the dial of lambda, the ladder of predictors, the dense baselines and the longer runs."""
    rows, others = read(dataset), read(CHOSEN_ON[dataset])
    choices = [chosen(method, others) for method in METHODS if not ends_early(method, others)]
    cells = [
        *(Cell(name, seed) for method in METHODS for name in to_tune(method, dataset) for seed in TUNING),
        *(Cell(name, seed) for name in choices if name for seed in FRESH),
        *(
            Cell(name, seed)
            for part in PARTS
            if dataset in part.sets
            for seed in part.seeds
            for name in part.settings
        ),
    ]
    done = set(zip(rows["setting"], rows["seed"].astype(int), strict=True))
    return [cell for cell in dict.fromkeys(cells) if cell not in done]
