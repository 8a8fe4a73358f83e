"""Factors: known properties of the images, as columns to predict and as classes.

In a set with several labels each label is a factor, except those that the others predict (`foreground`
follows from count and size). Where one label with classes is left each class is a factor, against all others.

Legend: images of a split, columns (one per class, or one for a quantity), classes.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float, Int

from pipeline.data.labels import Label

QUANTILES = 8  # classes that a real label is cut into
MAX_EXPLAINED = 0.5  # R^2 of a factor from the others above which it is no factor
RIDGE = 1e-3


LabelClasses = tuple[Int[np.ndarray, " images"], Int[np.ndarray, " others"]]


@dataclass(frozen=True)
class Factor:
    """One factor on both splits.

    columns: indicators of the classes, or the quantity in units of the training split's std. classes: index,
    -1 where an image has none (a real label: its quantile of the training split). known: has the label.
    """

    name: str
    train: Float[np.ndarray, "images columns"]
    test: Float[np.ndarray, "others columns"]
    train_classes: Int[np.ndarray, " images"]
    test_classes: Int[np.ndarray, " others"]

    @property
    def train_known(self) -> Bool[np.ndarray, " images"]:
        return self.train_classes >= 0

    @property
    def is_one_class(self) -> bool:
        """Whether it is a class of the set's only label against the rest, and not a label."""
        return self.train.shape[1] == 1 and bool(((self.train == 0) | (self.train == 1)).all())

    @property
    def test_known(self) -> Bool[np.ndarray, " others"]:
        return self.test_classes >= 0

    @property
    def known_images(self) -> bytes:
        """Equal for factors that the same images have."""
        return np.packbits(self.train_known).tobytes() + np.packbits(self.test_known).tobytes()


def read_factors(
    train: pd.DataFrame, test: pd.DataFrame, specs: Mapping[str, Label]
) -> tuple[list[Factor], dict[str, str]]:
    """The factors, and the labels left out with the reason.

    A label is left out if the labelled images of a split have fewer than two classes or values of it. Of
    several labels those that the others predict are left out too, one by one, the best predicted first, until
    a linear model of the others explains each with an R^2 of at most MAX_EXPLAINED. So of fine and coarse
    classes the fine ones are left. The last label but one stays where the last one has no classes to compare.
    """
    factors, reasons = [], {}
    for name, spec in specs.items():
        factor = _factor(name, spec, train[name].to_numpy(), test[name].to_numpy())
        if factor is None:
            reasons[name] = "fewer than two classes or values in a split"
        else:
            factors.append(factor)
    while len(factors) > 1:
        explained = [explained_by_others(factors, place) for place in range(len(factors))]
        most = int(np.argmax(explained))
        left = [factor for place, factor in enumerate(factors) if place != most]
        alone = len(left) == 1 and left[0].train.shape[1] <= 2
        if explained[most] <= MAX_EXPLAINED or alone:
            break
        reasons[factors[most].name] = f"the other labels tell it (R² {explained[most]:.2f})"
        factors = left
    if len(factors) == 1 and factors[0].train.shape[1] > 2:
        return one_against_rest(factors[0], specs[factors[0].name].classes), reasons
    return factors, reasons


def _factor(name: str, spec: Label, train: np.ndarray, test: np.ndarray) -> Factor | None:
    known, other_known = ((np.isfinite(part) if spec.kind == "real" else part >= 0) for part in (train, test))
    if len(np.unique(train[known])) < 2 or len(np.unique(test[other_known])) < 2:
        return None
    if spec.kind == "real":
        mean, std = float(train[known].mean(dtype=np.float64)), float(train[known].std(dtype=np.float64))
        edges = np.unique(np.quantile(train[known], np.arange(1, QUANTILES) / QUANTILES))
        columns = [
            np.where(k, (v - mean) / std, 0.0)[:, None] for v, k in ((train, known), (test, other_known))
        ]
        classes = [
            np.where(k, np.searchsorted(edges, v, side="right"), -1).astype(np.int64)
            for v, k in ((train, known), (test, other_known))
        ]
    else:
        classes = [part.astype(np.int64) for part in (train, test)]
        used = np.unique(classes[0][known])
        columns = [(part[:, None] == used).astype(np.float64) for part in classes]
    return Factor(name, columns[0], columns[1], classes[0], classes[1])


def one_against_rest(factor: Factor, names: tuple[str, ...]) -> list[Factor]:
    """Each class of a factor as a factor with two classes."""
    factors = []
    for number in np.unique(factor.train_classes[factor.train_known]):
        train, test = (
            np.where(classes >= 0, (classes == number).astype(np.int64), -1)
            for classes in (factor.train_classes, factor.test_classes)
        )
        if (test == 1).any():
            columns = [(part[:, None] == 1).astype(np.float64) for part in (train, test)]
            factors.append(Factor(names[number], columns[0], columns[1], train, test))
    return factors


def label_classes(factors: list[Factor]) -> list[LabelClasses]:
    """The classes of every label behind the factors, on both splits, -1 where an image has none.

    Where all factors are classes of one label, it is that label alone.
    """
    if not factors or not all(factor.is_one_class for factor in factors):
        return [(factor.train_classes, factor.test_classes) for factor in factors]
    of_splits = ([factor.train_classes for factor in factors], [factor.test_classes for factor in factors])
    train, test = (np.where((np.stack(part) == 1).any(0), np.stack(part).argmax(0), -1) for part in of_splits)
    return [(train, test)]


def explained_by_others(factors: list[Factor], place: int) -> float:
    """R^2 on the test split of factor `place` from a ridge regression on the columns of all others."""
    target = factors[place]
    others = [factor for other, factor in enumerate(factors) if other != place]
    rows, other_rows = target.train_known, target.test_known
    inputs = np.concatenate([factor.train[rows] for factor in others], axis=1)
    tests = np.concatenate([factor.test[other_rows] for factor in others], axis=1)
    centre, middle = inputs.mean(0), target.train[rows].mean(0)
    inputs, tests = inputs - centre, tests - centre
    weights = np.linalg.solve(
        inputs.T @ inputs / len(inputs) + RIDGE * np.eye(inputs.shape[1]),
        inputs.T @ (target.train[rows] - middle) / len(inputs),
    )
    truth = target.test[other_rows] - middle
    return float(1 - ((truth - tests @ weights) ** 2).sum() / max((truth**2).sum(), 1e-30))
