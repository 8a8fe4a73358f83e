"""A small finished run, as the earlier stages would have written it, for the tests of the report."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from pipeline.data.labels import Label
from pipeline.data.store import SplitWriter, write_meta
from pipeline.files import write_json
from tests.report.interpret_sample import interpretation

REPOSITORY = Path(__file__).resolve().parents[2]
NASTY = 'a<b>&"c|d_$e$'
ACCURACIES = {  # encoder, random_init, pixels_pca, majority
    "count": (0.812, 0.644, 0.571, 0.334),
    "shape": (0.703, 0.482, 0.498, 0.25),
    "colour": (0.941, 0.902, 0.931, 0.125),
    "size": (0.744, 0.661, 0.602, 0.34),
    "orientation": (0.412, 0.297, 0.184, 0.128),
    "frequency": (0.683, 0.521, 0.402, 0.337),
    "background_orientation": (0.592, 0.501, 0.312, 0.126),
    "background_frequency": (0.801, 0.732, 0.503, 0.336),
    "distance_bucket": (0.377, 0.366, 0.351, 0.26),
    "background": (0.922, 0.931, 0.944, 0.126),
    NASTY: (0.5, 0.44, 0.41, 0.2),
}
REALS = {"distance": (0.41, 0.22, 0.19), "foreground": (0.88, 0.71, -0.02)}
SPARSITY = {
    "method": "oi_vae",
    "zero_share": 2 / 3,
    "zero_share_live": 0.6,
    "live_latents": 5,
    "latents": 6,
    "active_groups": 3.25,
    "groups": 4,
    "dead_groups": 0,
    "kl": 3.0,
    "kl_per_latent": [0.9, 0.8, 0.6, 0.4, 0.3, 0.0],
}
LABELS = {
    "count": Label("count", ("1", "2", "3")),
    NASTY: Label("categorical", ("<script>alert(1)</script>", "b")),
    "shape": Label("categorical", ("circle", "square")),
    "distance": Label("real", unit="pixels"),
}


def probe(accuracies: dict[str, tuple[float, ...]] = ACCURACIES) -> dict[str, Any]:
    labels: dict[str, Any] = {}
    for label, values in accuracies.items():
        views = zip(("encoder", "random_init", "pixels_pca", "majority"), values, strict=True)
        labels[label] = {view: _fields("accuracy", value, 0.014) for view, value in views}
        del labels[label]["majority"]["ci95_low"], labels[label]["majority"]["ci95_high"]
        labels[label]["encoder"]["knn_accuracy"] = values[0] - 0.06
        labels[label]["latent"] = _fields("accuracy", values[0] - 0.08, 0.014)
        labels[label]["groups"] = _fields("accuracy", values[0] - 0.2, 0.014)
    for label, values in REALS.items():
        views = zip(("encoder", "random_init", "pixels_pca"), values, strict=True)
        labels[label] = {view: _fields("r2", value, 0.03) for view, value in views}
    for view, r2 in zip(("encoder", "random_init", "pixels_pca"), (0.83, 0.7, 0.51), strict=True):
        labels["count"][view] |= {"r2": r2, "r2_ci95_low": r2 - 0.01, "r2_ci95_high": r2 + 0.01, "r2_l2": 0.1}
    labels["count"]["foreground_area"] = _fields("accuracy", 0.552, 0.014)
    columns = list(zip(*accuracies.values(), strict=True))
    means = [float(np.mean(column)) for column in columns[:3]]
    labels["patch_object"] = {
        view: _fields("accuracy", value, 0.01) for view, value in (("encoder", 0.9), ("random_init", 0.8))
    }
    summary = {
        "mean_accuracy": dict(zip(("encoder", "random_init", "pixels_pca"), means, strict=True)),
        "gain_over_random_init": 100 * (means[0] - means[1]),
        "mean_knn_accuracy": {"encoder": means[0] - 0.06},
        "mean_sgd_accuracy": {"encoder": means[0] - 0.011, "random_init": means[1] - 0.02},
        "mean_accuracy_1pct": {"encoder": 0.345},
        "mean_accuracy_1pct_sd": {"encoder": 0.0123},
        "rankme": {"encoder": 41.2, "random_init": 9.61, "pixels_pca": 120.4},
        "labels": len(accuracies),
        "labels_clear_of_random_init": sum(row[0] - row[1] > 0.03 for row in accuracies.values()),
    }
    return {"scenes": labels, "summary": {"scenes": summary}}


def _fields(metric: str, value: float, half: float) -> dict[str, Any]:
    interval = {"ci95_low": value - half, "ci95_high": value + half}
    return {metric: value, **interval, "l2": 0.001, "n_train": 50000, "n_test": 5000}


def prepare() -> dict[str, Any]:
    counts = {"train": 50000, "test": 5000, "broken": 0}
    return {"scenes": {**counts, "hash": "9c1f" * 16, "image_size": 32, "num_labels": 13}}


def pretrain(**changes: Any) -> dict[str, Any]:
    run = {
        "steps": 2500,
        "images_seen": 320000,
        "epochs": 6.4,
        "minutes": 4.21,
        "images_per_second": 1266.4,
        "device": "cpu: AMD EPYC, 2 threads",
        "precision": "bf16",
        "torch": "2.15.0",
        "commit": "abc1234",
        "parameters": {"encoder": 820000, "predictor": 116000},
        "seed": 0,
        "final": {"rankme": 41.2, "mean_cosine": 0.31},
        "initial": {"rankme": 9.6, "mean_cosine": 0.93},
        "collapsed": False,
        "zero_share": 2 / 3,
        "sparsity": SPARSITY,
        "peak_memory_mb": 912.5,
        "augment": {"crop": False, "flip": False, "reason": "the label orientation does not survive them"},
    }
    return run | changes


def interaction() -> pd.DataFrame:
    group, latent = (index.ravel() for index in np.indices((4, 6)))
    norm = np.where((group + latent) % 3 == 0, 0.2 + 0.1 * latent, 0.0)
    return pd.DataFrame({"group": group, "latent": latent, "norm": norm})


def training() -> pd.DataFrame:
    step = np.arange(0, 2501, 50)
    share = step / 2500
    table = pd.DataFrame({"step": step, "images_seen": step * 128})
    table["loss_prediction"] = 0.24 * np.exp(-5 * share) + 0.05
    table["loss_regularizer"] = 0.03 * np.exp(-9 * share) + 0.004
    table["loss"] = table["loss_prediction"] + table["loss_regularizer"]
    table["learning_rate"] = 1e-3 * np.minimum(share / 0.1, 0.525 + 0.475 * np.cos(np.pi * share))
    table["ema_momentum"] = 0.99 + 0.01 * share
    table["grad_norm"] = 0.4 + 0.6 * np.exp(-8 * share)
    table["images_per_second"] = 1266 + 30 * np.sin(step)
    table["peak_memory_mb"] = 912.5
    table["zero_share"] = np.where(step > 0, 0.66 * share, np.nan)
    table["zero_share_live"] = 0.9 * table["zero_share"]
    table["live_latents"], table["active_groups"], table["kl"] = 5.0, 4 - 0.75 * share, 3.0
    for column, first, last in (
        ("rankme", 9.6, 41.2),
        ("feature_std", 0.21, 0.83),
        ("mean_cosine", 0.93, 0.31),
        ("knn_accuracy", 0.42, 0.57),
        ("ridge_accuracy", 0.49, 0.63),
    ):
        table[column] = np.where(step % 250 == 0, last + (first - last) * np.exp(-4 * share), np.nan)
    table.loc[0, ["loss", "loss_prediction", "loss_regularizer", "grad_norm", "images_per_second"]] = np.nan
    return table


def write_set(folder: Path, image_size: int = 32, num_images: int = 20) -> None:
    draw = np.random.default_rng(0)
    writers = {}
    for split in ("train", "test"):
        table = pd.DataFrame(
            {
                "count": draw.integers(0, 3, num_images),
                NASTY: np.arange(num_images) % 2,
                "shape": np.where(np.arange(num_images) % 5, 1, -1),
                "distance": np.where(np.arange(num_images) % 2, np.nan, 7.25).astype(np.float32),
            }
        )
        with SplitWriter(folder / split, num_images, image_size) as writer:
            writer.append(
                draw.integers(0, 256, (num_images, image_size, image_size, 3), dtype=np.uint8), table
            )
        writers[split] = writer
    write_meta(folder, "scenes", image_size, LABELS, writers)


def write_run(root: Path) -> Path:
    """All inputs of the stage below `root`."""
    for name, content in (("prepare", prepare()), ("pretrain", pretrain()), ("probe", probe())):
        write_json(root / f"reports/metrics/{name}.json", content)
    (root / "reports/plots").mkdir()
    training().to_csv(root / "reports/plots/training.csv", index=False)
    interaction().to_csv(root / "reports/plots/interaction.csv", index=False)
    groups, tables = interpretation()
    write_json(root / "reports/metrics/interpret.json", groups)
    for name, table in tables.items():
        table.to_csv(root / f"reports/plots/interpret_{name}.csv", index=False)
    write_set(root / "artifacts/data/scenes")
    return root
