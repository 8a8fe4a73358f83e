"""A code: features of the images of both splits, and a partition of the features into groups.

Examples: the encoder's features in the run's groups, the same features in k-means groups, single latents.
Legend: images of the training split, others of the test split, dim features, groups x size (see partitions).
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from pipeline.interpret.partitions import standardise


@dataclass(frozen=True)
class Code:
    """Features of both splits, and their groups. zero_is_off: 0 means that a feature is absent, so features
    are not centred before they are squared to energies."""

    train: Float[np.ndarray, "images dim"]
    test: Float[np.ndarray, "others dim"]
    partition: Int[np.ndarray, "groups size"]
    zero_is_off: bool = False

    @property
    def grouped(self) -> bool:
        """Whether some group has more than one feature, so that another partition would be another code."""
        return self.partition.shape[1] > 1

    def scaled(self) -> Float[np.ndarray, "others dim"]:
        """The test images' features in units of the training split: mean 0 and variance 1, or (zero_is_off)
        mean square 1. Group energies are the mean squares of these."""
        if not self.zero_is_off:
            return standardise(self.test, self.train)
        scale = np.sqrt(np.square(self.train).mean(0))
        return np.where(scale > 0, self.test / np.where(scale > 0, scale, 1.0), 0.0)
