"""What the stage `interpret` would have written of a small planted code, for the tests of the report."""

from typing import Any

import numpy as np
import pandas as pd

from pipeline.interpret.code import Code
from pipeline.interpret.metrics.registry import measure_code
from pipeline.interpret.partitions import singletons
from pipeline.interpret.tables import Tables, rounded
from tests.interpret.planted import DIM, aligned, interpret_params, labels, planted_factors, rotations

NAMES = {
    "encoder": "within",
    "kmeans": "axis",
    "pca": "rotated",
    "rotated": "rotated",
    "random_init": "rotated",
    "pixels_pca": "rotated",
}


def interpretation(num_images: int = 20, grid: int = 4) -> tuple[dict[str, Any], dict[str, pd.DataFrame]]:
    """interpret.json and its tables, of a test split of `num_images`, with one compared run."""
    train, test = labels(200, 0), labels(num_images, 1)
    factors = planted_factors(train, test)
    features = aligned(train, 0), aligned(test, 1)
    partition = np.arange(DIM).reshape(4, 4)
    turns = rotations()
    tables = Tables()
    codes, metrics = {}, {}
    for name, turn in NAMES.items():
        codes[name] = Code(features[0] @ turns[turn], features[1] @ turns[turn], partition)
    codes["latent"] = Code(features[0], features[1], singletons(DIM), True)
    codes["lambda-0"] = Code(features[0] @ turns["rotated"], features[1] @ turns["rotated"], partition)
    params = interpret_params()
    for name, code in codes.items():
        measured = measure_code(code, factors, params)
        metrics[name] = measured.metrics
        tables.add_matrices("scenes", name, measured, factors)
    for name in ("encoder", "lambda-0", "random_init"):
        tables.add_correlation("scenes", name, codes[name].test, partition)
    tables.add_top_images("scenes", codes["encoder"], np.arange(num_images), 0)
    random = np.random.default_rng(0)
    owner = random.integers(3, size=(num_images, grid * grid))
    tokens = random.standard_normal((num_images, grid * grid, DIM))
    tables.add_patches("scenes", tokens, partition, (owner > 0).astype(float), owner, 1)
    compared = metrics.pop("lambda-0") | {"lambda": 0.0, "stability": 0.5, "stability_null_z": 1.0}
    scores = {
        f"object_{key}{end}": value
        for key in ("auroc", "ari")
        for end, value in (("", 0.6), ("_null_mean", 0.5), ("_null_z", 2.5))
    }
    scenes = {
        "factors": [factor.name for factor in factors],
        "left_out": {"foreground": "the other labels tell it (R² 0.90)"},
        "codes": metrics,
        "compare": {"lambda-0": compared},
        "objects": {"encoder": scores},
        "sentence": "By theorem 1 ≤ 2; found: 1.",
    }
    return rounded({"scenes": scenes}), tables.finished()
