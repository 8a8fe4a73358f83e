"""A stack of runs: seeds and strengths that train as one, and a row for each."""

import multiprocessing
import shutil
import signal
import sys
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import torch
from jaxtyping import Int

from benchmarks.study.settings import Cell, settings_of
from pipeline.data import augment
from pipeline.data.store import SPLITS, ImageSet, open_set
from pipeline.embed.corruptions import CORRUPTIONS, corrupt
from pipeline.files import atomic_file
from pipeline.interpret.code import Code
from pipeline.interpret.factors import read_factors
from pipeline.interpret.finished_run import choose_rows
from pipeline.interpret.metrics.matching import ablation_selectivity, group_matching
from pipeline.interpret.metrics.multiinformation import multiinformation
from pipeline.interpret.metrics.registry import measure_code
from pipeline.interpret.partitions import contiguous
from pipeline.measure.intervals import Bootstrap
from pipeline.params import Params
from pipeline.pretrain.loop import InterruptedRunError
from pipeline.pretrain.loop import train as train_alone
from pipeline.pretrain.parallel.together import train_together
from pipeline.pretrain.run import build_run
from pipeline.probe.fitting import fit_view
from pipeline.probe.linear_probe import validation_rows
from pipeline.probe.scores import score_view
from pipeline.probe.targets import read_targets, unusable
from pipeline.runtime import resolve

TRANSFER = {  # set -> its labels that encoders of photographs are probed for too: the paper's two tasks
    "scenes": ("count", "distance_bucket"),
    "clevr_like": ("count_all", "closest_object_distance"),
}
MAIN_LABEL = {"cifar100": "fine"}  # whose probe counts as the mean, where a set has several of one kind

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


class Job(NamedTuple):
    """Runs that train as one stack on the prepared set `data`, and the file of their rows.

    states: the folder that keeps the states of training until the rows are written, so that a stopped job
    goes on. transfer: sets of TRANSFER, prepared, that their encoders are probed on too.
    """

    dataset: str
    cells: list[Cell]
    data: Path
    rows: Path
    states: Path
    precision: str = "fp32"
    transfer: dict[str, Path] | None = None


def train_in_process(job: Job) -> None:
    """`train` in a process of its own, whose pool ends with it."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    try:
        train(job)
    except InterruptedRunError as error:
        sys.exit(f"{job.dataset}: {error}")


def train(job: Job) -> None:
    """Train the cells as one stack, probe each, and write their rows."""
    torch.set_num_threads(1)
    cells = [settings_of(job.dataset, *cell, job.precision) for cell in job.cells]
    runtime, images = resolve(cells[0].runtime), open_set(job.data)
    allowed, _ = augment.allowed(cells[0].augment, images.labels)
    runs = [build_run(cell, allowed, images, job.states, runtime) for cell in cells]
    for run in runs:
        run.batches.resident = runs[0].batches.resident
    if len(runs) > 1:
        train_together(runs)
    else:
        train_alone(runs[0])
    samples = sample_images(images)
    samples |= {
        f"{name}/{split}": torch.from_numpy(np.array(open_set(data).split(split).images))
        for name, data in (job.transfer or {}).items()
        for split in SPLITS
    }
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(PROBES, context, torch.set_num_threads, (1,)) as pool:
        waiting = []
        for params, run in zip(cells, runs, strict=True):
            features = {name: run.trainer.features(pixels).cpu().numpy() for name, pixels in samples.items()}
            waiting.append(pool.submit(score, job, features, params))
        rows = [
            {
                **cell._asdict(),
                "precision": job.precision,
                "zero_share": run.trainer.history[-1].get("zero_share"),
                **scores.result(),
            }
            for cell, run, scores in zip(job.cells, runs, waiting, strict=True)
        ]
    with atomic_file(job.rows) as temporary:
        pd.DataFrame(rows).to_csv(temporary, index=False)
    for run in runs:
        shutil.rmtree(run.checkpoints.folder)


def score(job: Job, features: dict[str, np.ndarray], cell: Params) -> dict[str, float]:
    """What a row says of the features of one run."""
    tensors = {name: torch.from_numpy(values) for name, values in features.items()}
    images = open_set(job.data)
    row = probe(images, tensors, cell) | describe_groups(images, tensors, cell)
    for name, data in (job.transfer or {}).items():
        row |= probe_transfer(name, open_set(data), *(tensors[f"{name}/{split}"] for split in SPLITS), cell)
    return row


def sample_images(images: ImageSet) -> dict[str, torch.Tensor]:
    """Both splits, and some test images under each corruption."""
    pixels = {split: np.array(images.split(split).images) for split in SPLITS}
    chosen = pixels["test"][corrupted_rows(len(pixels["test"]))]
    pixels |= {name: corrupt(chosen, name) for name in CORRUPTIONS}
    return {name: torch.from_numpy(content) for name, content in pixels.items()}


def corrupted_rows(images: int) -> Int[np.ndarray, " corrupted"]:
    """Evenly spaced test images, as the stage `embed` takes them."""
    return np.linspace(0, images - 1, min(CORRUPTED_IMAGES, images)).astype(int)


def probe(images: ImageSet, features: dict[str, torch.Tensor], cell: Params) -> dict[str, float]:
    """Percent: SCORES of the main label or the mean over labels, and the linear probe of every label."""
    targets = {
        split: read_targets(images.split(split).labels, images.labels, torch.device("cpu"))
        for split in SPLITS
    }
    unfit = unusable(targets["train"])
    specs = {name: spec for name, spec in images.labels.items() if name not in unfit}
    train, test = (targets[split].only(specs) for split in SPLITS)
    settings = cell.probe
    chosen = validation_rows(len(features["train"]), settings.validation_fraction, settings.seed)
    fitted = fit_view(features["train"], train, specs, settings, torch.from_numpy(chosen), with_noise=True)
    rows = torch.from_numpy(corrupted_rows(len(features["test"])))
    scores, _ = score_view(
        fitted,
        features["train"],
        features["test"],
        train,
        test,
        specs,
        settings.knn_temperature,
        Bootstrap(len(features["test"]), settings.bootstrap, settings.seed),
        {name: (rows, features[name]) for name in CORRUPTIONS},
    )
    classes = {name: of_label for name, of_label in scores.items() if "accuracy" in of_label}
    main = MAIN_LABEL.get(images.name)
    counted = [classes[main]] if main else list(classes.values())
    means = {
        column: float(np.mean([100 * of_label[score] for of_label in counted]))
        for column, score in SCORES.items()
        if all(score in of_label for of_label in counted)  # 1 % of few images is no probe
    }
    return means | {f"linear, {name}": 100 * of_label["accuracy"] for name, of_label in classes.items()}


def probe_transfer(
    name: str, images: ImageSet, train: torch.Tensor, test: torch.Tensor, cell: Params
) -> dict[str, float]:
    """Percent of the linear probe for the labels of TRANSFER, of features of another set's images."""
    specs = {label: images.labels[label] for label in TRANSFER[name]}
    low_shot = cell.probe.low_shot.model_copy(update={"fractions": ()})
    settings = cell.probe.model_copy(update={"low_shot": low_shot})
    targets = [read_targets(images.split(split).labels, specs, torch.device("cpu")) for split in SPLITS]
    chosen = torch.from_numpy(validation_rows(len(train), settings.validation_fraction, settings.seed))
    fitted = fit_view(train, targets[0], specs, settings, chosen, with_noise=False)
    bootstrap = Bootstrap(len(test), settings.bootstrap, settings.seed)
    scores, _ = score_view(fitted, train, test, *targets, specs, settings.knn_temperature, bootstrap, {})
    return {f"{name}, {label}": 100 * of_label["accuracy"] for label, of_label in scores.items()}


def describe_groups(images: ImageSet, features: dict[str, torch.Tensor], cell: Params) -> dict[str, float]:
    """GROUP_NUMBERS of the features in their groups, and the z of each where random groups are others."""
    rows, labels = {}, {}
    for split in SPLITS:
        content = images.split(split)
        rows[split] = choose_rows(len(content), cell.interpret.images, cell.interpret.seed)
        labels[split] = content.labels.iloc[rows[split]]
    specs = images.labels
    if images.name in MAIN_LABEL:
        specs = {MAIN_LABEL[images.name]: specs[MAIN_LABEL[images.name]]}
    factors, _ = read_factors(labels["train"], labels["test"], specs)
    train, test = (features[split].numpy()[rows[split]].astype(np.float64) for split in SPLITS)
    partition = contiguous(train.shape[1], cell.sparsity.groups)
    chosen = (multiinformation, group_matching, ablation_selectivity)
    numbers = measure_code(Code(train, test, partition), factors, cell.interpret, chosen).metrics
    row = {}
    for column, name in GROUP_NUMBERS.items():
        if name in numbers:
            z = "tc_null_z" if name == "tc_between" else f"{name}_null_z"
            row[column] = numbers[name]
            if z in numbers:
                row[f"{column.removesuffix(', nats')} z"] = numbers[z]
    return row
