"""What a finished run reports: the content of reports/metrics/pretrain.json, and the last printed line."""

from typing import Any

import numpy as np
from torch import nn

from pipeline.contracts.pretrain import OF_LABEL
from pipeline.pretrain.run import TrainingRun
from pipeline.pretrain.stretches import over_stretches
from pipeline.pretrain.trainer import Trainer


def print_disabled(disabled: dict[str, list[str]], stage: str = "pretrain") -> None:
    """Print which augmentations are off, and which labels they would falsify."""
    for name, labels in disabled.items():
        others = f" and {len(labels) - 2} other labels" if len(labels) > 3 else ""
        named = ", ".join(labels[:2] if others else labels)
        print(f"{stage}: {name} is off, it would falsify {named}{others}", flush=True)


def summarise(run: TrainingRun, disabled: dict[str, list[str]]) -> dict[str, Any]:
    """What ran and where it ended.

    minutes: of training, monitors included. images_per_second: median over the rows of the history.
    peak_memory_mb: MiB. parameters: how many each module has. initial, final: rows of the history.
    disabled: the augmentations that are off, each with the labels that it would falsify. Device, commit and
    the like are those of the training, wherever this process runs.
    """
    trainer = run.trainer
    params, rows, stretches = trainer.params, trainer.history, trainer.stretches
    images_seen = params.pretrain.steps * params.pretrain.batch_size
    rates = [row["images_per_second"] for row in rows if "images_per_second" in row]
    sparsity = sparsity_metrics(trainer)
    return {
        "zero_share": sparsity.get("zero_share"),
        "sparsity": sparsity,
        "steps": params.pretrain.steps,
        "images_seen": images_seen,
        "epochs": images_seen / len(run.batches.indices),
        "minutes": trainer.seconds / 60,
        "images_per_second": float(np.median(rates)),
        "peak_memory_mb": max(row.get("peak_memory_mb", 0.0) for row in rows),
        "device": over_stretches(stretches, "device"),
        "processes": over_stretches(stretches, "processes"),
        "together": trainer.together,
        "precision": over_stretches(stretches, "precision"),
        "compile": over_stretches(stretches, "compile"),
        "torch": over_stretches(stretches, "torch"),
        "parameters": {
            "encoder": _num_parameters(trainer.jepa.context_encoder),
            "predictor": _num_parameters(trainer.jepa.predictor),
            **({"sparsity": _num_parameters(trainer.model.method)} if trainer.model.method else {}),
        },
        "seed": params.pretrain.seed,
        "collapsed": bool(rows[-1]["collapsed"]),
        "initial": _without_labels(rows[0]),
        "final": _without_labels(rows[-1]),
        "augment": {
            "crop": "crop" not in disabled,
            "flip": "flip" not in disabled,
            "off_because_of": disabled,
        },
        "commit": over_stretches(stretches, "commit"),
    }


def sparsity_metrics(trainer: Trainer) -> dict[str, Any]:
    """The method with its lambda and groups, and the numbers that it reports (SparsityMethod.describe and
    describe_latents)."""
    sparsity, method = trainer.params.sparsity, trainer.model.method
    if method is None:
        return {"method": sparsity.method}
    return {
        "method": sparsity.method,
        "lambda": sparsity.lambda_,
        "groups": sparsity.groups,
        **method.describe(),
        **method.describe_latents(),
    }


def last_line(metrics: dict[str, Any], stage: str) -> str:
    """The run in one line; it says so where the features collapsed."""
    final, initial = metrics["final"], metrics["initial"]
    line = (
        f"{stage}: {metrics['steps']} steps, {metrics['epochs']:.1f} epochs in {metrics['minutes']:.1f} min "
        f"at {metrics['images_per_second']:,.0f} images/s; "
        f"RankMe {initial['rankme']:.0f} -> {final['rankme']:.0f}"
    )
    if "lidar" in final:
        line += f", LiDAR {initial['lidar']:.0f} -> {final['lidar']:.0f}"
    if "ridge_accuracy" in final:
        line += f", ridge probe {initial['ridge_accuracy']:.1%} -> {final['ridge_accuracy']:.1%}"
    if metrics["zero_share"] is not None:
        line += f", zero share {metrics['zero_share']:.1%}"
    return line + ("; COLLAPSED: the features tell images apart no more" if metrics["collapsed"] else "")


def _without_labels(row: dict[str, Any]) -> dict[str, Any]:
    """A row of the history without what it says of single labels: training.csv has that."""
    return {key: value for key, value in row.items() if not key.startswith(OF_LABEL)}


def _num_parameters(module: nn.Module) -> int:
    return sum(weight.numel() for weight in module.parameters())
