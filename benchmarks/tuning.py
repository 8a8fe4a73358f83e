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
import signal
import sys
import tempfile
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import torch
from jaxtyping import Int
from scipy import stats

from benchmarks.methods_report import STUDIES
from pipeline.data import augment
from pipeline.data.store import ImageSet, open_set
from pipeline.embed.corruptions import CORRUPTIONS, corrupt
from pipeline.files import atomic_file
from pipeline.interpret.code import Code
from pipeline.interpret.factors import read_factors
from pipeline.interpret.finished_run import choose_rows
from pipeline.interpret.metrics.matching import ablation_selectivity, group_matching
from pipeline.interpret.metrics.multiinformation import multiinformation
from pipeline.interpret.metrics.registry import measure_code
from pipeline.interpret.partitions import contiguous, from_labels
from pipeline.jepa.independence import graded_sizes
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
    "masking.num_targets": 2,
    "masking.num_context": 8,
    "pretrain.learning_rate": 0.003,
}
SETS: dict[str, dict[str, Any]] = {
    "scenes": {},
    "cifar100": {"data.name": "cifar100"} | PHOTOGRAPHS,
    "cifar10": {"data.name": "cifar10"} | PHOTOGRAPHS,
}
MAIN_LABEL = {"cifar100": "fine"}  # whose probe counts as the mean, where a set has several of one kind


def rival(method: str, *strengths: float) -> dict[str, dict[str, Any]]:
    """A sparsity method beside VICReg at some strengths: setting -> what it sets."""
    changes = {"sparsity.method": method, "regularizer.name": "vicreg"}
    return {f"{method}-{strength:g}": changes | {"sparsity.lambda": strength} for strength in strengths}


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
    "twin-sigreg0.02": TWIN | {"regularizer.name": "sigreg", "regularizer.weight": 0.02},
    "twin-sigreg0.1": TWIN | {"regularizer.name": "sigreg", "regularizer.weight": 0.1},
    "oivae-only-0.02": {"regularizer.name": "vicreg", "sparsity.lambda": 0.02},
    "oivae-only-0.1": {"regularizer.name": "vicreg", "sparsity.lambda": 0.1},
    "oivae-only-0": {"regularizer.name": "vicreg", "sparsity.lambda": 0.0},
    **rival("group_lasso", 0.3, 1.0, 3.0),
    **rival("l1", 0.3, 1.0, 3.0),
    **rival("rdmreg", 0.03, 0.1, 0.3),
    "topk-4": {"sparsity.method": "topk", "regularizer.name": "vicreg", "sparsity.topk": 4},
    "topk-8": {"sparsity.method": "topk", "regularizer.name": "vicreg", "sparsity.topk": 8},
    "groups-group_lasso-0.1": {"sparsity.method": "group_lasso", "sparsity.lambda": 0.1},
    "groups-group_lasso-0.3": {"sparsity.method": "group_lasso", "sparsity.lambda": 0.3},
    "groups-group_lasso-1": {"sparsity.method": "group_lasso", "sparsity.lambda": 1.0},
    "energies": {"regularizer.energies": True},
    "graded": {"sparsity.method": "none", "regularizer.sizes": "graded"},
}
SCORES = {  # column -> score of a label
    "validation": "validation_accuracy",
    "linear": "accuracy",
    "knn": "knn_accuracy",
    "one_percent": "accuracy_1pct",
    "ten_percent": "accuracy_10pct",
    "noise60": "accuracy_noise60pct",
    **{corruption: f"accuracy_{corruption}" for corruption in CORRUPTIONS},
}
CORRUPTED_IMAGES = 2000
PROBES = 3  # processes that probe the runs of a stack
GROUP_NUMBERS = {  # column -> number of interpret.json, of the features in their groups
    "TC(G), nats": "tc_between",
    "DCI": "dci_disentanglement",
    "modularity": "modularity",
    "MIG": "mig",
    "selectivity": "ablation_selectivity",
}


class Cell(NamedTuple):
    """A run of a setting."""

    setting: str
    seed: int


class Job(NamedTuple):
    """Runs that train as one stack, and the file of their rows.

    thorough: all scores and the numbers of groups; if not, the linear probe alone.
    """

    dataset: str
    cells: list[Cell]
    data: Path
    rows: Path
    thorough: bool = True


def settings_of(dataset: str, setting: str, seed: int) -> Params:
    """The params of one run. Its probes choose from fewer penalties than the default's."""
    changes = SETS[dataset] | SETTINGS[setting] | {"pretrain.seed": seed, "probe.sgd.epochs": 0}
    changes |= {"probe.l2": [1e-4, 1e-3, 1e-2, 1e-1]}
    changes |= {"probe.low_shot.fractions": [0.01, 0.1], "probe.label_noise.shares": [0.6]}
    changes |= {"probe.bootstrap": 100, "runtime.precision": "fp32"}
    changes |= {"runtime.checkpoint_seconds": 1e6, "runtime.threads": 1}
    tree = read_tree(Path("params.yaml"))
    set_params(tree, changes)
    return validate(tree)


def train(job: Job) -> None:
    """Train the cells as one stack, probe each, and write their rows."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that the pool below ends too
    torch.set_num_threads(1)
    cells = [settings_of(job.dataset, cell.setting, cell.seed) for cell in job.cells]
    runtime, images = resolve(cells[0].runtime), open_set(job.data)
    allowed, _ = augment.allowed(cells[0].augment, images.labels)
    with tempfile.TemporaryDirectory() as states:
        runs = [build_run(cell, allowed, images, Path(states), runtime) for cell in cells]
        for run in runs:
            run.batches.resident = runs[0].batches.resident
        train_together(runs)
    samples = sample_images(images, job.thorough)
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(PROBES, context, torch.set_num_threads, (1,)) as pool:
        waiting = []
        for params, run in zip(cells, runs, strict=True):
            features = {name: run.trainer.features(pixels).cpu().numpy() for name, pixels in samples.items()}
            waiting.append(pool.submit(score, job, features, params))
        rows = [
            {**cell._asdict(), "zero_share": run.trainer.history[-1].get("zero_share"), **scores.result()}
            for cell, run, scores in zip(job.cells, runs, waiting, strict=True)
        ]
    with atomic_file(job.rows) as temporary:
        pd.DataFrame(rows).to_csv(temporary, index=False)


def score(job: Job, features: dict[str, np.ndarray], cell: Params) -> dict[str, float]:
    """What a row says of the features of one run."""
    tensors = {name: torch.from_numpy(values) for name, values in features.items()}
    scores = probe(job.data, tensors, cell, job.thorough)
    return scores | (describe_groups(open_set(job.data), tensors, cell) if job.thorough else {})


def sample_images(images: ImageSet, thorough: bool) -> dict[str, torch.Tensor]:
    """Both splits, and where `thorough`, some test images under each corruption."""
    pixels = {split: np.array(images.split(split).images) for split in ("train", "test")}
    if thorough:
        chosen = pixels["test"][corrupted_rows(len(pixels["test"]))]
        pixels |= {name: corrupt(chosen, name) for name in CORRUPTIONS}
    return {name: torch.from_numpy(content) for name, content in pixels.items()}


def corrupted_rows(images: int) -> Int[np.ndarray, " corrupted"]:
    """Evenly spaced test images, as the stage `embed` takes them."""
    return np.linspace(0, images - 1, min(CORRUPTED_IMAGES, images)).astype(int)


def probe(data: Path, features: dict[str, torch.Tensor], cell: Params, thorough: bool) -> dict[str, float]:
    """Percent: the means over labels of SCORES, and the linear probe of every label."""
    images = open_set(data)
    targets = {
        split: read_targets(images.split(split).labels, images.labels, torch.device("cpu"))
        for split in ("train", "test")
    }
    unfit = unusable(targets["train"])
    specs = {name: spec for name, spec in images.labels.items() if name not in unfit}
    if not thorough and data.name in MAIN_LABEL:
        specs = {MAIN_LABEL[data.name]: specs[MAIN_LABEL[data.name]]}
    train, test = (targets[split].only(specs) for split in ("train", "test"))
    settings = cell.probe
    chosen = torch.from_numpy(
        validation_rows(len(features["train"]), settings.validation_fraction, settings.seed)
    )
    fitted = fit_view(
        features["train"], train, specs, settings, chosen, only_linear=not thorough, with_noise=thorough
    )
    bootstrap = Bootstrap(len(features["test"]), settings.bootstrap, settings.seed)
    rows = torch.from_numpy(corrupted_rows(len(features["test"])))
    corrupted = {name: (rows, features[name]) for name in CORRUPTIONS if name in features}
    neighbors, temperature = features["train"] if thorough else None, settings.knn_temperature
    scores, _ = score_view(
        fitted, neighbors, features["test"], train, test, specs, temperature, bootstrap, corrupted
    )
    classes = {name: of_label for name, of_label in scores.items() if "accuracy" in of_label}
    counted = [classes[MAIN_LABEL[data.name]]] if data.name in MAIN_LABEL else list(classes.values())
    means = {
        column: float(np.mean([100 * of_label[score] for of_label in counted]))
        for column, score in SCORES.items()
        if score in counted[0]
    }
    return means | {f"linear, {name}": 100 * of_label["accuracy"] for name, of_label in classes.items()}


def describe_groups(images: ImageSet, features: dict[str, torch.Tensor], cell: Params) -> dict[str, float]:
    """GROUP_NUMBERS of the features in their groups, and z of each, by random groups."""
    rows, labels = {}, {}
    for split in ("train", "test"):
        content = images.split(split)
        rows[split] = choose_rows(len(content), cell.interpret.images, cell.interpret.seed)
        labels[split] = content.labels.iloc[rows[split]]
    specs = images.labels
    if images.name in MAIN_LABEL:
        specs = {MAIN_LABEL[images.name]: specs[MAIN_LABEL[images.name]]}
    factors, _ = read_factors(labels["train"], labels["test"], specs)
    train, test = (features[split].numpy()[rows[split]].astype(np.float64) for split in ("train", "test"))
    sizes = graded_sizes(train.shape[1], cell.sparsity.groups)
    graded = cell.regularizer.sizes == "graded"
    partition = (
        from_labels(np.repeat(np.arange(len(sizes)), sizes))
        if graded
        else contiguous(train.shape[1], cell.sparsity.groups)
    )
    chosen = (multiinformation, group_matching, ablation_selectivity)
    numbers = measure_code(Code(train, test, partition), factors, cell.interpret, chosen).metrics
    row = {}
    for column, name in GROUP_NUMBERS.items():
        if name in numbers:
            z = "tc_null_z" if name == "tc_between" else f"{name}_null_z"
            row |= {column: numbers[name], f"{column.removesuffix(', nats')} z": numbers[z]}
    return row


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
    parser.add_argument("--note", default="", help="where, when and at which commit the rows were made")
    arguments = parser.parse_args()
    (STUDIES / "tuning.md").write_text(page(arguments.note))


if __name__ == "__main__":
    main()
