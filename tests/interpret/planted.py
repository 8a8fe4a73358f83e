"""Codes whose structure is known: four factors, four groups of four features."""

from functools import cache

import numpy as np
import pandas as pd

from pipeline import params
from pipeline.data.labels import Label
from pipeline.interpret.code import Code
from pipeline.interpret.factors import Factor, read_factors
from pipeline.interpret.metrics.registry import MeasuredCode, measure_code
from pipeline.interpret.partitions import contiguous
from pipeline.params import InterpretParams
from tests.stages.tiny_run import ROOT

FACTORS, SIZE = 4, 4
DIM = FACTORS * SIZE
NAMES = ("axis", "within", "rotated", "noise")
SPEC = Label("categorical", ("off", "low", "middle", "high"))


def interpret_params(**changes: object) -> InterpretParams:
    tree = params.load(ROOT / "params.yaml").interpret.model_dump()
    return InterpretParams.model_validate(tree | {"subsamples": 5, "noise": (0.1,)} | changes)


def labels(images: int, seed: int) -> pd.DataFrame:
    """Every factor is off in seven of ten images, independently."""
    draw = np.random.default_rng(seed).choice(4, size=(images, FACTORS), p=[0.7, 0.1, 0.1, 0.1])
    return pd.DataFrame(draw.astype(np.int16), columns=[f"factor_{f}" for f in range(FACTORS)])


def planted_factors(train: pd.DataFrame, test: pd.DataFrame) -> list[Factor]:
    return read_factors(train, test, {str(name): SPEC for name in train})[0]


def aligned(table: pd.DataFrame, seed: int) -> np.ndarray:
    """Feature 4f is the level of factor f; the rest of its group is noise that is on where the factor is."""
    random = np.random.default_rng([seed, 1])
    levels = table.to_numpy().astype(float)
    features = 0.1 * random.standard_normal((len(table), FACTORS, SIZE))
    features[:, :, 0] += levels
    features[:, :, 1:] += (
        0.5 * (levels > 0)[..., None] * random.standard_normal((len(table), FACTORS, SIZE - 1))
    )
    return features.reshape(len(table), DIM)


def rotations() -> dict[str, np.ndarray]:
    random = np.random.default_rng(9)
    blocks = np.zeros((DIM, DIM))
    for group in range(FACTORS):
        rows = slice(group * SIZE, (group + 1) * SIZE)
        blocks[rows, rows] = np.linalg.qr(random.standard_normal((SIZE, SIZE)))[0]
    full = np.linalg.qr(random.standard_normal((DIM, DIM)))[0]
    return {"axis": np.eye(DIM), "within": blocks, "rotated": full}


@cache
def planted(images: int = 3000) -> tuple[dict[str, Code], list[Factor]]:
    train, test = labels(images, 0), labels(images, 1)
    features = aligned(train, 0), aligned(test, 1)
    partition = contiguous(DIM, FACTORS)
    codes = {
        name: Code(features[0] @ rotation, features[1] @ rotation, partition)
        for name, rotation in rotations().items()
    }
    random = np.random.default_rng(5)
    codes["noise"] = Code(*(random.standard_normal((images, DIM)) for _ in range(2)), partition)
    return codes, planted_factors(train, test)


@cache
def planted_metrics() -> dict[str, MeasuredCode]:
    codes, factors = planted()
    return {name: measure_code(code, factors, interpret_params()) for name, code in codes.items()}
