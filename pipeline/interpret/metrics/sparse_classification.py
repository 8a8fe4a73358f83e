"""k-sparse probing by classification: which classes do the k best units of each factor tell apart?

An audit of what sparse autoencoders are judged by found this the most reliable (arXiv 2605.18229). The
classifier is a linear discriminant of all classes at equal weight, so frequent classes do not count more.

Legend: images of the training split, others of the test split, dim features, groups x size (see partitions).
"""

import numpy as np
from jaxtyping import Float, Int

from pipeline.interpret.code_statistics import CodeStatistics
from pipeline.interpret.factors import Factor
from pipeline.interpret.group_probes import best_groups
from pipeline.interpret.nulls import with_null
from pipeline.interpret.partitions import singletons, standardise
from pipeline.measure.metrics import Metrics

NUM_PROBED = (1, 2, 5)
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
    discriminants = [Discriminant(factor, train, test, l2) for factor in statistics.factors]

    def accuracies(partition: Int[np.ndarray, "groups size"]) -> Float[np.ndarray, " probed"]:
        ranked = best_groups(statistics.moments, partition, max(NUM_PROBED), l2)
        scores = np.array(
            [
                [discriminant.accuracy(_members(partition, best[:k])) for k in NUM_PROBED]
                for discriminant, best in zip(discriminants, ranked, strict=True)
            ]
        )
        return scores.mean(0)

    of_features = accuracies(singletons(code.train.shape[1]))
    of_groups = np.array([accuracies(each) for each in statistics.partitions[: 1 + NULL_PARTITIONS]])
    metrics: Metrics = {}
    for at, k in enumerate(NUM_PROBED):
        metrics[f"feature_accuracy_{k}"] = float(of_features[at])
        metrics |= with_null(f"group_accuracy_{k}", of_groups[:, at], code.grouped)
    return metrics


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
        of_classes = [right[self.classes == known].mean() for known in np.unique(self.classes)]
        chance = 1 / len(self.known_classes)
        return max((float(np.mean(of_classes)) - chance) / (1 - chance), 0.0)
