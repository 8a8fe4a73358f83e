"""The settings around the default, each on several seeds, chosen on validation: rows and their page.

    python -m benchmarks.tuning train scenes DATA      # on a GPU, without DVC: tuning-scenes.csv
    python -m benchmarks.tuning page --note TEXT       # tuning.md, from the rows of both sets

DATA is a prepared set: artifacts/data/NAME of `dvc repro prepare`. The seeds of a setting train as one stack
(pipeline.pretrain.parallel.together); several settings train side by side, and CPU processes probe what is
finished. A setting that has its rows is not trained again.

A setting is chosen by the validation accuracy of TUNING seeds. What it is worth is read on the test images of
FRESH seeds. Without a stack `python -m pipeline run --set ... --set pretrain.seed=N` gives the same run.
"""

import argparse
import multiprocessing
import tempfile
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import torch
from scipy import stats

from benchmarks.methods_report import STUDIES
from pipeline.data import augment
from pipeline.data.store import open_set
from pipeline.files import atomic_file
from pipeline.measure.intervals import Bootstrap
from pipeline.orchestration.sweeps.grid import set_params
from pipeline.params import Params
from pipeline.params.reader import read_tree, validate
from pipeline.pretrain.parallel.together import train_together
from pipeline.pretrain.run import build_run
from pipeline.probe.fitting import fit_view
from pipeline.probe.linear_probe import validation_rows
from pipeline.probe.scores import score_view
from pipeline.probe.targets import read_targets, unusable
from pipeline.runtime import resolve

FRESH, TUNING = (10, 11, 12), (20, 21, 22)
TWIN = {"sparsity.method": "none", "regularizer.name": "vicreg"}
PHOTOGRAPHS = {  # the recipe of the preset cifar10-folder
    "data.name": "folder",
    "data.root": "images",
    "masking.num_targets": 2,
    "masking.num_context": 8,
    "pretrain.learning_rate": 0.003,
}
SETS: dict[str, dict[str, Any]] = {"scenes": {}, "cifar100": PHOTOGRAPHS}
# setting -> what it sets; the first two are what the others are held against.
SETTINGS: dict[str, dict[str, Any]] = {
    "twin": TWIN,
    "default": {},
    "lambda0": {"sparsity.lambda": 0.0},
    "twin-weight0.03": TWIN | {"regularizer.weight": 0.03},
    "twin-weight0.3": TWIN | {"regularizer.weight": 0.3},
    "twin-none": TWIN | {"regularizer.name": "none"},
    "twin-lr0.006": TWIN | {"pretrain.learning_rate": 0.006},
    "lr0.006": {"pretrain.learning_rate": 0.006},
    "groups-only": {"sparsity.method": "none"},
    "oivae-only": {"regularizer.name": "vicreg"},
    "weight0.05": {"regularizer.weight": 0.05},
    "weight0.2": {"regularizer.weight": 0.2},
    "dependence1": {"regularizer.dependence": 1.0},
    "dependence4": {"regularizer.dependence": 4.0},
    "groups16": {"sparsity.groups": 16},
    "groups64": {"sparsity.groups": 64},
    "probes32": {"regularizer.probes": 32},
    "lambda0.01": {"sparsity.lambda": 0.01},
    "lambda0.02": {"sparsity.lambda": 0.02},
    "lambda0.1": {"sparsity.lambda": 0.1},
    "lambda0.3": {"sparsity.lambda": 0.3},
}
ONLY = {"twin-none": "cifar100", "twin-lr0.006": "cifar100", "lr0.006": "cifar100"}
SCORES = {  # column -> score of a label
    "validation": "validation_accuracy",
    "linear": "accuracy",
    "knn": "knn_accuracy",
    "one_percent": "accuracy_1pct",
}


class Job(NamedTuple):
    """A setting on a set, and the files of its rows."""

    dataset: str
    setting: str
    data: Path
    rows: Path


def settings_of(dataset: str, setting: str, seed: int) -> Params:
    """The params of one run."""
    changes = SETS[dataset] | SETTINGS[setting] | {"pretrain.seed": seed, "probe.sgd.epochs": 0}
    changes |= {"probe.low_shot.fractions": [0.01], "probe.bootstrap": 100, "runtime.precision": "fp32"}
    changes |= {"runtime.checkpoint_seconds": 1e6, "runtime.threads": 1}
    tree = read_tree(Path("params.yaml"))
    set_params(tree, changes)
    return validate(tree)


def train(job: Job) -> None:
    """Train the seeds of a setting as one stack, probe each, and write their rows."""
    torch.set_num_threads(1)
    cells = [settings_of(job.dataset, job.setting, seed) for seed in (*FRESH, *TUNING)]
    runtime, images = resolve(cells[0].runtime), open_set(job.data)
    allowed, _ = augment.allowed(cells[0].augment, images.labels)
    with tempfile.TemporaryDirectory() as states:
        runs = [build_run(cell, allowed, images, Path(states), runtime) for cell in cells]
        for run in runs:
            run.batches.resident = runs[0].batches.resident
        train_together(runs)
    pixels = {split: torch.from_numpy(np.array(images.split(split).images)) for split in ("train", "test")}
    rows = []
    for cell, run in zip(cells, runs, strict=True):
        features = {split: run.trainer.features(images).cpu() for split, images in pixels.items()}
        zeros = run.trainer.history[-1].get("zero_share")
        row = {"setting": job.setting, "seed": cell.pretrain.seed, "zero_share": zeros}
        rows.append(row | probe(job.data, features, cell))
    with atomic_file(job.rows) as temporary:
        pd.DataFrame(rows).to_csv(temporary, index=False)


def probe(data: Path, features: dict[str, torch.Tensor], cell: Params) -> dict[str, float]:
    """Percent: the means over labels of SCORES, and the linear probe of every label."""
    images = open_set(data)
    targets = {
        split: read_targets(images.split(split).labels, images.labels, torch.device("cpu"))
        for split in ("train", "test")
    }
    unfit = unusable(targets["train"])
    specs = {name: spec for name, spec in images.labels.items() if name not in unfit}
    train, test = (targets[split].only(specs) for split in ("train", "test"))
    settings = cell.probe
    chosen = validation_rows(len(features["train"]), settings.validation_fraction, settings.seed)
    fitted = fit_view(features["train"], train, specs, settings, torch.from_numpy(chosen))
    bootstrap = Bootstrap(len(features["test"]), settings.bootstrap, settings.seed)
    neighbors, temperature = features["train"], settings.knn_temperature
    scores, _ = score_view(fitted, neighbors, features["test"], train, test, specs, temperature, bootstrap)
    classes = {name: of_label for name, of_label in scores.items() if "accuracy" in of_label}
    means = {
        column: float(np.mean([100 * of_label[score] for of_label in classes.values()]))
        for column, score in SCORES.items()
    }
    return means | {f"linear, {name}": 100 * of_label["accuracy"] for name, of_label in classes.items()}


def train_all(dataset: str, data: Path, jobs: int) -> None:
    """Train what has no rows yet, `jobs` settings at a time, and write the table of the set."""
    table = STUDIES / f"tuning-{dataset}.csv"
    done = pd.read_csv(table) if table.exists() else pd.DataFrame({"setting": []})
    wanted = [name for name in SETTINGS if ONLY.get(name, dataset) == dataset]
    with tempfile.TemporaryDirectory() as folder:
        left = [name for name in wanted if name not in set(done["setting"])]
        work = [Job(dataset, name, data, Path(folder) / f"{name}.csv") for name in left]
        with multiprocessing.get_context("spawn").Pool(jobs, maxtasksperchild=1) as pool:
            for _ in pool.imap_unordered(train, work, chunksize=1):
                rows = [pd.read_csv(job.rows) for job in work if job.rows.exists()]
                with atomic_file(table) as temporary:
                    pd.concat([done, *rows]).to_csv(temporary, index=False)


class Difference(NamedTuple):
    """Mean of paired differences over the seeds that both have, and its 95 % interval by Student's t."""

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
        "says; `benchmarks/tuning.py` lists them. Choose by the column validation: it is of the seeds "
        f"{', '.join(map(str, TUNING))}.",
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
    verbs = parser.add_subparsers(dest="verb", required=True)
    training = verbs.add_parser("train")
    training.add_argument("dataset", choices=SETS)
    training.add_argument("data", type=Path, help="a prepared set")
    training.add_argument("--jobs", type=int, default=8, help="settings that train side by side")
    writing = verbs.add_parser("page")
    writing.add_argument("--note", default="", help="where, when and at which commit the rows were made")
    arguments = parser.parse_args()
    if arguments.verb == "train":
        train_all(arguments.dataset, arguments.data, arguments.jobs)
    else:
        (STUDIES / "tuning.md").write_text(page(arguments.note))


if __name__ == "__main__":
    main()
