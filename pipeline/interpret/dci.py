"""How factors and units match: matrices of how well each unit predicts each factor, and their summaries.

A unit is a feature or a group. A matrix (factors x units) holds how well a unit predicts a factor, >= 0.
Values below a floor, which comes from permuted labels, are set to 0: without it noise has a disentanglement
of .48. Where factors are compared, each row is a share of what all units predict of its factor, so that a
factor that every unit predicts does not outweigh the others. All numbers lie in [0, 1] and are 0 where no
unit predicts anything.

Sources: Eastwood and Williams 2018 (DCI), Ridgeway and Mozer 2018 (modularity, explicitness),
Chen et al. 2018 (MIG). Legend: images of a split, dim features, factors x units, drawn matrices at once.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from pipeline.interpret.factors import Factor

Matrix = Float[np.ndarray, "drawn factors units"]
SMALL = 1e-30


def feature_information(
    train: Float[np.ndarray, "images dim"],
    test: Float[np.ndarray, "others dim"],
    factors: list[Factor],
    bins: int,
    random: np.random.Generator,
) -> Float[np.ndarray, "factors dim"]:
    """Information that each feature alone gives of each factor, as a share of the factor's entropy.

    The gain in log-likelihood on the test split of a histogram classifier p(class | bin of the feature) from
    the training split over the class frequencies: a lower bound of the mutual information in expectation, and
    below zero for noise. Bins hold equally many training images. Gains below the largest that any feature
    has with permuted classes are 0, as are negative ones.
    """
    dim = train.shape[1]
    probabilities = np.arange(1, bins) / bins
    cells = np.empty((len(train), dim), dtype=np.int64)
    other_cells = np.empty((len(test), dim), dtype=np.int64)
    for feature in range(dim):
        edges = np.unique(np.quantile(train[:, feature], probabilities))
        cells[:, feature] = np.searchsorted(edges, train[:, feature], side="right")
        other_cells[:, feature] = np.searchsorted(edges, test[:, feature], side="right")
    counted: dict[bytes, tuple[BinnedImages, BinnedImages]] = {}
    information = np.zeros((len(factors), dim))
    for row, factor in enumerate(factors):
        known, other_known = factor.train_known, factor.test_known
        key = factor.known_images
        if key not in counted:
            counted[key] = count_bins(cells[known], bins), count_bins(other_cells[other_known], bins)
        a, b = counted[key]
        classes, others = factor.train_classes[known], factor.test_classes[other_known]
        shuffled, other_shuffled = random.permutation(classes), random.permutation(others)
        gains, uncertainty = _gains(a, b, classes, others)
        chance, _ = _gains(a, b, shuffled, other_shuffled)
        floor = max(float(chance.max(initial=0.0)), 0.0)
        information[row] = np.where(gains > floor, gains, 0.0) / max(uncertainty, SMALL)
    return information.clip(0, 1)


@dataclass(frozen=True)
class BinnedImages:
    """cells: the bin of every image and feature, features one after another. totals: images in every bin."""

    cells: Int[np.ndarray, "images dim"]
    totals: Int[np.ndarray, "dim bins"]

    def joint(
        self, classes: Int[np.ndarray, " images"], num_classes: int
    ) -> Int[np.ndarray, "dim bins classes"]:
        """Images of every bin and class. Those of the commonest class are what the others leave, so one class
        against the rest costs what its own images cost."""
        commonest = int(np.bincount(classes, minlength=num_classes).argmax())
        rows = np.flatnonzero(classes != commonest)
        keys = self.cells[rows] * num_classes + classes[rows, None]
        counts = np.bincount(keys.ravel(), minlength=self.totals.size * num_classes)
        joint = counts.reshape(*self.totals.shape, num_classes)
        joint[..., commonest] = self.totals - joint.sum(-1)
        return joint


def count_bins(bins_of_images: Int[np.ndarray, "images dim"], bins: int) -> BinnedImages:
    """bins_of_images: the bin of every image and feature, in 0..bins - 1."""
    dim = bins_of_images.shape[1]
    cells = bins_of_images + bins * np.arange(dim)
    return BinnedImages(cells, np.bincount(cells.ravel(), minlength=dim * bins).reshape(dim, bins))


def _gains(
    binned: BinnedImages,
    other_binned: BinnedImages,
    classes: Int[np.ndarray, " images"],
    others: Int[np.ndarray, " others"],
) -> tuple[Float[np.ndarray, " dim"], float]:
    """Gain in nats per test image of each feature, and the test images' cross-entropy without any."""
    num_classes = int(max(classes.max(), others.max())) + 1
    share = (np.bincount(classes, minlength=num_classes) + 1e-3) / (len(classes) + 1e-3 * num_classes)
    seen = np.bincount(others, minlength=num_classes) / len(others)
    joint, other = binned.joint(classes, num_classes), other_binned.joint(others, num_classes)
    # Dirichlet prior around the class frequencies: an empty bin adds nothing.
    given = (joint + num_classes * share) / (binned.totals[..., None] + num_classes)
    gains = (other * np.log(given / share)).reshape(len(joint), -1).sum(1) / len(others)
    return gains, float(-(seen * np.log(share)).sum())


def shares(matrix: Matrix, whole: Float[np.ndarray, " factors"], floor: float) -> Matrix:
    """Values above the floor, as a share of what all units together predict of the factor (`whole`). Other
    values are 0, and so are factors of which all units together predict no more than the floor."""
    floor = max(floor, 0.0)
    kept = (matrix > floor) & (whole[:, None] > floor)
    return np.where(kept, matrix / np.maximum(whole[:, None], SMALL), 0.0).clip(0, 1)


def row_shares(matrix: Matrix) -> Matrix:
    """Each factor's row divided by its sum; a row of zeros stays one."""
    return matrix / np.maximum(matrix.sum(-1, keepdims=True), SMALL)


def disentanglement(matrix: Matrix) -> Float[np.ndarray, " drawn"]:
    """1 - entropy over factors of a unit's column, mean over units weighted by the sums of their columns."""
    factors = matrix.shape[-2]
    weight = matrix.sum(-2)
    return _mean(_concentration(matrix, axis=-2) if factors > 1 else np.ones_like(weight), weight)


def completeness(matrix: Matrix) -> Float[np.ndarray, " drawn"]:
    """1 - entropy over units of a factor's row, mean over factors weighted by the sums of their rows."""
    units = matrix.shape[-1]
    weight = matrix.sum(-1)
    return _mean(_concentration(matrix, axis=-1) if units > 1 else np.ones_like(weight), weight)


def modularity(matrix: Matrix) -> Float[np.ndarray, " drawn"]:
    """1 - sum over other factors (m_f / m_best)^2 / (factors - 1) of a unit, mean weighted by m_best."""
    factors = matrix.shape[-2]
    best = matrix.max(-2)
    squares = (matrix**2).sum(-2) - best**2
    share = 1 - squares / np.maximum(best**2 * max(factors - 1, 1), SMALL)
    return _mean(np.where(best > 0, share, 0.0), best)


def gap(matrix: Matrix) -> Float[np.ndarray, " drawn"]:
    """The best unit's share less the second's (MIG, where rows are information over entropy), mean over
    factors. The second is 0 where there is one unit."""
    ordered = np.sort(matrix, axis=-1)
    second = ordered[..., -2] if matrix.shape[-1] > 1 else 0.0
    return (ordered[..., -1] - second).mean(-1)


def _concentration(matrix: Matrix, axis: int) -> Float[np.ndarray, "drawn n"]:
    total = matrix.sum(axis, keepdims=True)
    share = matrix / np.maximum(total, SMALL)
    return 1 + (share * np.log(np.maximum(share, SMALL))).sum(axis) / np.log(matrix.shape[axis])


def _mean(
    values: Float[np.ndarray, "drawn n"], weight: Float[np.ndarray, "drawn n"]
) -> Float[np.ndarray, " drawn"]:
    total = weight.sum(-1)
    return np.where(total > SMALL, (values * weight).sum(-1) / np.maximum(total, SMALL), 0.0)
