"""A committed row of the study, trained again and compared."""

import tempfile
from pathlib import Path

import pandas as pd

from benchmarks.study.results import read
from benchmarks.study.settings import Cell, settings_of
from benchmarks.study.stacks import Job, train
from pipeline.files import InputError
from pipeline.prepare.sources import open_source, requests
from pipeline.prepare.write import write_set

ROUNDING = 1.0  # points by which the linear probe of one run may differ between machines


def check(dataset: str, data: Path | None, root: Path | None, cell: Cell) -> int:
    """Train the run of a committed row again; the result of `compare`.

    data: the prepared set; None: it is prepared from `root`, as data.root of the params. Raises InputError
    where there is no such row, and where the set cannot be had.
    """
    rows = read(dataset).set_index(["setting", "seed"])
    if cell not in rows.index:
        raise InputError(f"{dataset}: no row of {cell.setting}, seed {cell.seed}")
    precision = "bf16" if rows.loc[cell].get("precision") == "bf16" else "fp32"
    with tempfile.TemporaryDirectory() as folder:
        data = data or prepare(dataset, root, Path(folder))
        job = Job(dataset, [cell], data, Path(folder) / "row.csv", Path(folder) / "states", precision)
        train(job)
        return compare(rows.loc[cell], pd.read_csv(job.rows).iloc[0])


def compare(committed: pd.Series, again: pd.Series) -> int:
    """Print both and their difference; 1 where the linear probe is off by ROUNDING, else 0."""
    both = pd.DataFrame({"committed": committed, "here": again.reindex(committed.index)})
    both = both.drop(["setting", "seed", "precision"], errors="ignore").dropna()
    both["difference"] = both["here"] - both["committed"]
    print(both.to_string(float_format="{:.2f}".format))
    off = abs(both.loc["linear", "difference"])
    print(f"linear probe: {off:.2f} points off; other hardware alone moves it by up to {ROUNDING}")
    return int(off > ROUNDING)


def prepare(dataset: str, root: Path | None, folder: Path) -> Path:
    """The set as the stage `prepare` writes it, in `folder`."""
    params = settings_of(dataset, "default", 0)
    data = params.data.model_copy(update={"root": root})
    [request] = requests(params.model_copy(update={"data": data}), Path.cwd())
    write_set(folder / dataset, request, open_source(request), params.runtime)
    return folder / dataset
