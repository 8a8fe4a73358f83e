"""How well groups of features tell factors: ridge regression on second moments, scored on the test split.

    skill[f, g] = 1 - sum (y - y^)^2 / sum (y - mean)^2      (R^2 of factor f's columns; the mean of training)

One pass over the images gives the moments X'X, X'Y of both splits; every group of every partition is then a
small solve, so nulls of many random partitions cost next to nothing. A predictor that ignores the features
has skill 0; one that overfits has less.

Legend: images, dim features, columns of all factors, factors, drawn partitions of groups x size (see
partitions).
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from pipeline.interpret.factors import Factor
from pipeline.interpret.partitions import standardise


@dataclass(frozen=True)
class Moments:
    """Second moments per image of standardised features and centred columns, with one feature of zeros at the
    end (-1 in a partition). Factors that are known of the same images share one.

    gram, cross: of the training split, (dim + 1, dim + 1) and (dim + 1, columns). other_*: of the test split.
    total: (factors,) sum of squares of the test columns. owner: (columns,) factor of each column. rows:
    numbers of these factors among all.
    """

    gram: Float[np.ndarray, "width width"]
    cross: Float[np.ndarray, "width columns"]
    other_gram: Float[np.ndarray, "width width"]
    other_cross: Float[np.ndarray, "width columns"]
    total: Float[np.ndarray, " factors"]
    owner: Int[np.ndarray, " columns"]
    rows: Int[np.ndarray, " factors"]

    def by_factor(self, explained: Float[np.ndarray, "... columns"]) -> Float[np.ndarray, "... factors"]:
        """R^2 of each factor from the sums of squares that its columns' predictions explain."""
        member = (self.owner[:, None] == np.arange(len(self.rows))).astype(np.float64)
        return explained @ member / self.total


def read_moments(
    train: Float[np.ndarray, "images dim"], test: Float[np.ndarray, "others dim"], factors: list[Factor]
) -> list[Moments]:
    """Moments of every set of factors that the same images have. Features are standardised by the training
    split; constant ones are 0 and tell nothing."""
    features, others = standardise(train, train), standardise(test, train)
    shared: dict[bytes, list[int]] = {}
    for number, factor in enumerate(factors):
        key = np.packbits(factor.train_known).tobytes() + np.packbits(factor.test_known).tobytes()
        shared.setdefault(key, []).append(number)
    moments = []
    for numbers in shared.values():
        rows, other_rows = factors[numbers[0]].train_known, factors[numbers[0]].test_known
        columns = np.concatenate([factors[number].train[rows] for number in numbers], axis=1)
        targets = np.concatenate([factors[number].test[other_rows] for number in numbers], axis=1)
        widths = [factors[number].train.shape[1] for number in numbers]
        centre, middle = features[rows].mean(0), columns.mean(0)
        x, y = _widen(features[rows] - centre), columns - middle
        other_x, other_y = _widen(others[other_rows] - centre), targets - middle
        owner = np.repeat(np.arange(len(numbers)), widths)
        squares = np.bincount(owner, (other_y**2).mean(0))
        moments.append(
            Moments(
                gram=x.T @ x / len(x),
                cross=x.T @ y / len(x),
                other_gram=other_x.T @ other_x / len(other_x),
                other_cross=other_x.T @ other_y / len(other_x),
                total=np.maximum(squares, 1e-30),
                owner=owner,
                rows=np.array(numbers),
            )
        )
    return moments


def _widen(features: Float[np.ndarray, "images dim"]) -> Float[np.ndarray, "images width"]:
    return np.pad(features, ((0, 0), (0, 1)))


def group_skill(
    moments: list[Moments], partitions: Int[np.ndarray, "drawn groups size"], l2: float
) -> Float[np.ndarray, "drawn factors groups"]:
    """Skill of each group's features alone. A group without features has skill 0."""
    drawn, groups, size = partitions.shape
    index = partitions.reshape(drawn * groups, size)
    num_factors = sum(len(part.rows) for part in moments)
    skill = np.zeros((drawn, num_factors, groups))
    if size == 0:
        return skill
    for part in moments:
        weights = _solve(part.gram, part.cross, index, l2)
        explained = 2 * np.einsum("gsc,gsc->gc", weights, part.other_cross[index])
        blocks = part.other_gram[index[:, :, None], index[:, None, :]]
        explained -= np.einsum("gsc,gsc->gc", weights, blocks @ weights)
        of_groups = part.by_factor(explained).reshape(drawn, groups, len(part.rows))
        skill[:, part.rows] = of_groups.transpose(0, 2, 1)
    return skill


def full_skill(moments: list[Moments], l2: float) -> Float[np.ndarray, " factors"]:
    """Skill of all features together: explicitness."""
    everything = np.arange(len(moments[0].gram) - 1)[None, None]
    return group_skill(moments, everything, l2)[0, :, 0]


def ablation_drops(
    moments: list[Moments], partitions: Int[np.ndarray, "drawn groups size"], l2: float
) -> Float[np.ndarray, "drawn factors groups"]:
    """Skill that the probe on all features loses when a group is set to its training mean; the probe stays as
    it was fitted. Negative where the group misled it."""
    drawn, groups, size = partitions.shape
    index = partitions.reshape(drawn * groups, size)
    drops = np.zeros((drawn, sum(len(part.rows) for part in moments), groups))
    if size == 0:
        return drops
    for part in moments:
        everything = np.arange(len(part.gram) - 1)[None]
        weights = np.pad(_solve(part.gram, part.cross, everything, l2)[0], ((0, 1), (0, 0)))
        predicted = part.other_gram @ weights
        group_weights = weights[index]
        blocks = part.other_gram[index[:, :, None], index[:, None, :]]
        lost = 2 * np.einsum("gsc,gsc->gc", group_weights, part.other_cross[index] - predicted[index])
        lost += np.einsum("gsc,gsc->gc", group_weights, blocks @ group_weights)
        of_groups = part.by_factor(lost).reshape(drawn, groups, len(part.rows))
        drops[:, part.rows] = of_groups.transpose(0, 2, 1)
    return drops


def sparse_probing(
    moments: list[Moments], partition: Int[np.ndarray, "groups size"], most: int, l2: float
) -> Float[np.ndarray, " factors"]:
    """Skill from the `most` groups that tell a factor best on the training split (singletons: features)."""
    skill = np.zeros(sum(len(part.rows) for part in moments))
    if len(partition) == 0:
        return skill
    best = best_groups(moments, partition, most, l2)
    for part in moments:
        for place, row in enumerate(part.rows):
            columns = part.owner == place
            index = np.sort(partition[best[row]].reshape(1, -1))
            solved = _solve(part.gram, part.cross[:, columns], index, l2)[0]
            gain = 2 * (solved * part.other_cross[index[0]][:, columns]).sum()
            gain -= (solved * (part.other_gram[np.ix_(index[0], index[0])] @ solved)).sum()
            skill[row] = gain / part.total[place]
    return skill


def best_groups(
    moments: list[Moments], partition: Int[np.ndarray, "groups size"], most: int, l2: float
) -> list[Int[np.ndarray, " best"]]:
    """For every factor the `most` groups that tell it best on the training split, the best first."""
    best: dict[int, np.ndarray] = {}
    for part in moments:
        weights = _solve(part.gram, part.cross, partition, l2)
        explained = part.by_factor(np.einsum("gsc,gsc->gc", weights, part.cross[partition]))
        for place, row in enumerate(part.rows):
            best[int(row)] = np.argsort(-explained[:, place], kind="stable")[:most]
    return [best[row] for row in range(len(best))]


def _solve(
    gram: Float[np.ndarray, "width width"],
    cross: Float[np.ndarray, "width columns"],
    index: Int[np.ndarray, "groups size"],
    l2: float,
) -> Float[np.ndarray, "groups size columns"]:
    """Ridge weights (X'X / n + l2) w = X'Y / n of each group; those of the feature of zeros are 0."""
    blocks = gram[index[:, :, None], index[:, None, :]] + l2 * np.eye(index.shape[1])
    return np.linalg.solve(blocks, cross[index])
