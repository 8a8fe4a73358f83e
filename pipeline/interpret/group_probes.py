"""How well groups of features tell factors: ridge regression on second moments, scored on the test split.

    skill[f, g] = 1 - sum (y - y^)^2 / sum (y - mean)^2      (R^2 of factor f's columns; the mean of training)

One pass over the images gives the moments X'X, X'Y of both splits; every group of every partition is then a
small solve, so nulls of many random partitions cost next to nothing. All factors are solved in one call,
in steps that fit into memory: a set may have thousands of classes. A predictor that ignores the features has
skill 0; one that overfits has less.

Legend: images, dim features, columns of all factors, factors, drawn partitions of groups x size (see
partitions).
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from pipeline.interpret.factors import Factor
from pipeline.interpret.partitions import standardise

LARGEST_STEP = 2**24  # numbers of one array (128 MiB) of groups x size x columns at once


@dataclass(frozen=True)
class Moments:
    """Second moments per image of standardised features and centred columns. Factors that are known of the
    same images share one.

    gram, cross: of the training split. other_*: of the test split. total: sum of squares of the test columns.
    owner: factor of each column. rows: numbers of these factors among all.
    """

    gram: Float[np.ndarray, "dim dim"]
    cross: Float[np.ndarray, "dim columns"]
    other_gram: Float[np.ndarray, "dim dim"]
    other_cross: Float[np.ndarray, "dim columns"]
    total: Float[np.ndarray, " factors"]
    owner: Int[np.ndarray, " columns"]
    rows: Int[np.ndarray, " factors"]

    def by_factor(self, explained: Float[np.ndarray, "... columns"]) -> Float[np.ndarray, "... factors"]:
        """R^2 of each factor from the sums of squares that its columns' predictions explain."""
        if len(self.owner) == len(self.rows):
            return explained / self.total
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
        shared.setdefault(factor.known_images, []).append(number)
    moments = []
    for numbers in shared.values():
        rows, other_rows = factors[numbers[0]].train_known, factors[numbers[0]].test_known
        columns = np.concatenate([factors[number].train[rows] for number in numbers], axis=1)
        targets = np.concatenate([factors[number].test[other_rows] for number in numbers], axis=1)
        widths = [factors[number].train.shape[1] for number in numbers]
        centre, middle = features[rows].mean(0), columns.mean(0)
        x, y = features[rows] - centre, columns - middle
        other_x, other_y = others[other_rows] - centre, targets - middle
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


def group_skill(
    moments: list[Moments], partitions: Int[np.ndarray, "drawn groups size"], l2: float
) -> Float[np.ndarray, "drawn factors groups"]:
    """Skill of each group's features alone. A group without features has skill 0."""
    drawn, groups, size = partitions.shape
    index = partitions.reshape(drawn * groups, size)
    skill = np.zeros((drawn, sum(len(part.rows) for part in moments), groups))
    for part in moments:
        of_groups = np.zeros((len(index), len(part.rows)))
        for rows, features in equal_sizes(index, part.cross.shape[1]):
            weights = _solve(part.gram, part.cross, features, l2)
            explained = 2 * np.einsum("gsc,gsc->gc", weights, part.other_cross[features])
            blocks = part.other_gram[features[:, :, None], features[:, None, :]]
            explained -= np.einsum("gsc,gsc->gc", weights, blocks @ weights)
            of_groups[rows] = part.by_factor(explained)
        skill[:, part.rows] = of_groups.reshape(drawn, groups, len(part.rows)).transpose(0, 2, 1)
    return skill


def full_skill(moments: list[Moments], l2: float) -> Float[np.ndarray, " factors"]:
    """Skill of all features together: explicitness."""
    everything = np.arange(len(moments[0].gram))[None, None]
    return group_skill(moments, everything, l2)[0, :, 0]


def ablation_drops(
    moments: list[Moments], partitions: Int[np.ndarray, "drawn groups size"], l2: float
) -> Float[np.ndarray, "drawn factors groups"]:
    """Skill that the probe on all features loses when a group is set to its training mean; the probe stays as
    it was fitted. Negative where the group misled it."""
    drawn, groups, size = partitions.shape
    index = partitions.reshape(drawn * groups, size)
    drops = np.zeros((drawn, sum(len(part.rows) for part in moments), groups))
    for part in moments:
        everything = np.arange(len(part.gram))[None]
        weights = _solve(part.gram, part.cross, everything, l2)[0]
        missed = part.other_cross - part.other_gram @ weights
        of_groups = np.zeros((len(index), len(part.rows)))
        for rows, features in equal_sizes(index, part.cross.shape[1]):
            group_weights = weights[features]
            blocks = part.other_gram[features[:, :, None], features[:, None, :]]
            lost = 2 * np.einsum("gsc,gsc->gc", group_weights, missed[features])
            lost += np.einsum("gsc,gsc->gc", group_weights, blocks @ group_weights)
            of_groups[rows] = part.by_factor(lost)
        drops[:, part.rows] = of_groups.reshape(drawn, groups, len(part.rows)).transpose(0, 2, 1)
    return drops


def sparse_probing(
    moments: list[Moments],
    partition: Int[np.ndarray, "groups size"],
    best: Int[np.ndarray, "factors probed"],
    l2: float,
) -> Float[np.ndarray, " factors"]:
    """Skill from some groups of each factor's own, `best` (singletons: features)."""
    skill = np.zeros(len(best))
    for part in moments:
        widths = np.bincount(part.owner, minlength=len(part.rows))
        starts = np.cumsum(widths) - widths
        for width in np.unique(widths):
            places = np.flatnonzero(widths == width)
            columns = starts[places, None] + np.arange(width)
            index = np.sort(partition[best[part.rows[places]]].reshape(len(places), -1))
            for rows, features in equal_sizes(index, int(width)):
                explained = _explained(part, features, columns[rows], l2)
                skill[part.rows[places[rows]]] = explained / part.total[places[rows]]
    return skill


def _explained(
    part: Moments,
    index: Int[np.ndarray, "chosen size"],
    columns: Int[np.ndarray, "chosen width"],
    l2: float,
) -> Float[np.ndarray, " chosen"]:
    """The squares of the test split's columns that features explain; a row has its own of both."""
    pairs = index[:, :, None], index[:, None, :]
    own = index[:, :, None], columns[:, None, :]
    solved = np.linalg.solve(part.gram[pairs] + l2 * np.eye(index.shape[1]), part.cross[own])
    gain = 2 * (solved * part.other_cross[own]).reshape(len(index), -1).sum(1)
    return gain - (solved * (part.other_gram[pairs] @ solved)).reshape(len(index), -1).sum(1)


def best_groups(
    moments: list[Moments], partition: Int[np.ndarray, "groups size"], most: int, l2: float
) -> Int[np.ndarray, "factors probed"]:
    """For every factor the `most` groups that tell it best on the training split, the best first; fewer where
    there are fewer groups."""
    best = np.zeros((sum(len(part.rows) for part in moments), min(most, len(partition))), dtype=np.int64)
    for part in moments:
        explained = np.zeros((len(partition), len(part.rows)))
        for rows, features in equal_sizes(partition, part.cross.shape[1]):
            weights = _solve(part.gram, part.cross, features, l2)
            squares = np.einsum("gsc,gsc->gc", weights, part.cross[features])
            explained[rows] = part.by_factor(squares)
        best[part.rows] = np.argsort(-explained, axis=0, kind="stable")[:most].T
    return best


def equal_sizes(
    index: Int[np.ndarray, "groups size"], columns: int
) -> Iterator[tuple[Int[np.ndarray, " rows"], Int[np.ndarray, "rows features"]]]:
    """Numbers of groups with equally many features, and their features; groups without any are left out.

    So few at once that their (rows, features, columns) and (rows, features, features) arrays stay within
    LARGEST_STEP numbers.
    """
    sizes = (index >= 0).sum(1)
    for size in np.unique(sizes[sizes > 0]):
        rows = np.flatnonzero(sizes == size)
        step = max(LARGEST_STEP // int(size * max(size, columns)), 1)
        for start in range(0, len(rows), step):
            few = index[rows[start : start + step]]
            yield rows[start : start + step], few[few >= 0].reshape(-1, size)


def _solve(
    gram: Float[np.ndarray, "dim dim"],
    cross: Float[np.ndarray, "dim columns"],
    index: Int[np.ndarray, "groups size"],
    l2: float,
) -> Float[np.ndarray, "groups size columns"]:
    """Ridge weights (X'X / n + l2) w = X'Y / n of each group."""
    blocks = gram[index[:, :, None], index[:, None, :]] + l2 * np.eye(index.shape[1])
    return np.linalg.solve(blocks, cross[index])
