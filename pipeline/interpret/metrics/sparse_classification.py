"""k-sparse probing by classification: which classes do the k best units of each factor tell apart?

An audit of what sparse autoencoders are judged by found this the most reliable (arXiv 2605.18229). The
classifier is a linear discriminant of all classes at equal weight, so frequent classes do not count more.
Where each class of one label is a factor, they share what is the same for all: a pass over the images for
each of thousands of classes would take longer than all other numbers.

Legend: images of the training split, others of the test split, dim features, groups x size (see partitions).
"""

from itertools import islice

import numpy as np
from jaxtyping import Bool, Float, Int

from pipeline.interpret.code_statistics import NUM_PROBED, CodeStatistics
from pipeline.interpret.factors import Factor, label_classes
from pipeline.interpret.group_probes import equal_sizes
from pipeline.interpret.nulls import with_null
from pipeline.interpret.partitions import singletons, standardise
from pipeline.measure.metrics import Metrics

NULL_PARTITIONS = 20  # of the random partitions; each costs as much as all other metrics of nulls together


def sparse_classification(statistics: CodeStatistics) -> Metrics:
    """feature_accuracy_<k>, group_accuracy_<k>: balanced accuracy above chance, in [0, 1], mean over factors.

    The discriminant reads the k features or groups that tell a factor best on the training split. Groups have
    their null.
    """
    if not statistics.factors:
        return {}
    code, l2 = statistics.code, statistics.params.l2
    train, test = standardise(code.train, code.train), standardise(code.test, code.train)
    one_label = all(factor.is_one_class for factor in statistics.factors)
    told = (ClassDiscriminants if one_label else LabelDiscriminants)(statistics.factors, train, test, l2)

    def accuracies(
        partition: Int[np.ndarray, "groups size"], best: Int[np.ndarray, "factors probed"]
    ) -> Float[np.ndarray, " ks"]:
        return np.stack([told.accuracies(partition, best[:, :k]) for k in NUM_PROBED], axis=1).mean(0)

    of_features = accuracies(singletons(code.train.shape[1]), statistics.best_features)
    few = zip(statistics.partitions, statistics.best_groups, strict=True)
    of_groups = np.array([accuracies(*each) for each in islice(few, 1 + NULL_PARTITIONS)])
    metrics: Metrics = {}
    for at, k in enumerate(NUM_PROBED):
        metrics[f"feature_accuracy_{k}"] = float(of_features[at])
        metrics |= with_null(f"group_accuracy_{k}", of_groups[:, at], code.grouped)
    return metrics


class LabelDiscriminants:
    """A discriminant of each label's classes.

    train, test: standardised features of the images of both splits. l2: added to the variances within
    classes.
    """

    def __init__(
        self,
        factors: list[Factor],
        train: Float[np.ndarray, "images dim"],
        test: Float[np.ndarray, "others dim"],
        l2: float,
    ) -> None:
        self.of_factors = [Discriminant(factor, train, test, l2) for factor in factors]

    def accuracies(
        self, partition: Int[np.ndarray, "groups size"], best: Int[np.ndarray, "factors probed"]
    ) -> Float[np.ndarray, " factors"]:
        """`Discriminant.accuracy` from the features of each factor's own groups."""
        return np.array(
            [
                discriminant.accuracy(_members(partition, groups))
                for discriminant, groups in zip(self.of_factors, best, strict=True)
            ]
        )


class ClassDiscriminants:
    """`Discriminant` of each class of one label against the rest, for all classes at once.

    The covariance within a class and its rest is that of all images less what their two means explain.
    """

    def __init__(
        self,
        factors: list[Factor],
        train: Float[np.ndarray, "images dim"],
        test: Float[np.ndarray, "others dim"],
        l2: float,
    ) -> None:
        [(classes, other_classes)] = label_classes(factors)
        known, other_known = factors[0].train_known, factors[0].test_known
        features, place = train[known], classes[known]
        images, sums = len(features), np.zeros((len(factors), features.shape[1]))
        np.add.at(sums, place[place >= 0], features[place >= 0])
        counts = np.bincount(place[place >= 0], minlength=len(factors))
        self.shares: Float[np.ndarray, " factors"] = counts / images
        self.means: Float[np.ndarray, "factors dim"] = sums / counts[:, None]
        rest = features.sum(0) - sums
        self.rest_means: Float[np.ndarray, "factors dim"] = rest / (images - counts)[:, None]
        self.moments: Float[np.ndarray, "dim dim"] = features.T @ features / images
        self.moments += l2 * np.eye(features.shape[1])
        self.test: Float[np.ndarray, "dim others"] = np.ascontiguousarray(test[other_known].T)
        self.rows = [np.flatnonzero(other_classes[other_known] == number) for number in range(len(factors))]

    def accuracies(
        self, partition: Int[np.ndarray, "groups size"], best: Int[np.ndarray, "factors probed"]
    ) -> Float[np.ndarray, " factors"]:
        """(mean of the shares of the class and of the rest that are told right - 1/2) / (1/2) from the
        features of each factor's own groups, at least 0."""
        found = np.zeros(len(best))
        index = np.sort(partition[best].reshape(len(best), -1))
        for numbers, features in equal_sizes(index, 1):
            at = numbers[:, None]
            mean, rest = self.means[at, features], self.rest_means[at, features]
            share = self.shares[numbers, None, None]
            within = self.moments[features[:, :, None], features[:, None, :]]
            within -= share * mean[:, :, None] * mean[:, None, :]
            within -= (1 - share) * rest[:, :, None] * rest[:, None, :]
            weights = np.linalg.solve(within, (mean - rest)[..., None])[..., 0]
            middle = ((mean + rest) * weights).sum(1) / 2
            for each, number in enumerate(numbers):
                told = weights[each] @ self.test[features[each]] > middle[each]
                found[number] = _balanced(told, self.rows[number])
        return np.maximum((found - 0.5) / 0.5, 0.0)


def _balanced(told: Bool[np.ndarray, " others"], rows: Int[np.ndarray, " own"]) -> float:
    """Mean of the shares of the class (the images in `rows`) and of the rest that are told right."""
    right, rest = np.count_nonzero(told[rows]), len(told) - len(rows)
    return (right / len(rows) + (rest - np.count_nonzero(told) + right) / rest) / 2


def _members(
    partition: Int[np.ndarray, "groups size"], groups: Int[np.ndarray, " best"]
) -> Int[np.ndarray, " chosen"]:
    """The features of some groups."""
    members = partition[groups]
    return np.unique(members[members >= 0])


class Discriminant:
    """Linear discriminants of one factor's classes on any choice of features (Fisher 1936).

    train, test: standardised features of the images of both splits. l2: added to the variances within
    classes.
    """

    def __init__(
        self,
        factor: Factor,
        train: Float[np.ndarray, "images dim"],
        test: Float[np.ndarray, "others dim"],
        l2: float,
    ) -> None:
        known, other_known = factor.train_known, factor.test_known
        classes, place = np.unique(factor.train_classes[known], return_inverse=True)
        members = (place[:, None] == np.arange(len(classes))).astype(np.float64)
        features, counts = train[known], members.sum(0)
        self.means: Float[np.ndarray, "classes dim"] = members.T @ features / counts[:, None]
        within = features.T @ features - (self.means * counts[:, None]).T @ self.means
        self.within: Float[np.ndarray, "dim dim"] = within / len(features) + l2 * np.eye(train.shape[1])
        self.test, self.classes = test[other_known], factor.test_classes[other_known]
        self.known_classes = classes

    def accuracy(self, chosen: Int[np.ndarray, " chosen"]) -> float:
        """(mean over classes of the test images that are told right - chance) / (1 - chance) from the chosen
        features, at least 0. Chance is 1 / classes."""
        means = self.means[:, chosen]
        weights = np.linalg.solve(self.within[np.ix_(chosen, chosen)], means.T)
        scores = self.test[:, chosen] @ weights - (means * weights.T).sum(1) / 2
        right = self.known_classes[scores.argmax(1)] == self.classes
        _, place = np.unique(self.classes, return_inverse=True)
        of_classes = np.bincount(place, weights=right) / np.bincount(place)
        chance = 1 / len(self.known_classes)
        return max((float(np.mean(of_classes)) - chance) / (1 - chance), 0.0)
