"""95 % intervals by the bootstrap over test images: how much a score depends on which images were drawn.

They do not cover other training seeds; for that, train several. Two models that answer the same images are
compared in pairs: the interval is that of their difference in each resample.

Legend: images of the test split, resamples of them (with replacement), rows (images, or their patches),
columns of numbers per row.
"""

import numpy as np
from jaxtyping import Bool, Float

Interval = tuple[float, float]
BLOCK = 2**24  # counts held as floats at a time: 128 MiB


class Bootstrap:
    """The same resamples for every score of a test split, so that scores of one split are comparable.

    Scores of patches take one row per patch, image by image: what is resampled is whole images, as the
    patches of one are alike. Memory: resamples x images bytes.
    """

    def __init__(self, num_images: int, resamples: int, seed: int) -> None:
        random = np.random.default_rng(seed)
        self.counts = np.empty((resamples, num_images), dtype=np.uint8)
        for row in self.counts:  # an image is drawn 256 times in a resample with probability < 1e-500
            row[:] = np.bincount(random.integers(num_images, size=num_images), minlength=num_images)

    def accuracy(self, correct: Bool[np.ndarray, " rows"], labelled: Bool[np.ndarray, " rows"]) -> Interval:
        """Of sum(correct) / sum(labelled), over the labelled images."""
        return self.mean(np.where(labelled, correct, np.nan)[:, None])

    def mean(self, values: Float[np.ndarray, "rows columns"]) -> Interval:
        """Of the mean over columns of each column's mean over rows; NaN is left out.

        A resample draws the rows of all columns at once. A column counts as 0 in a resample without a number.
        """
        known = np.isfinite(values)
        sums = self._sums(np.concatenate([np.where(known, values, 0), known], axis=1))
        totals, counts = np.split(sums, 2, axis=1)
        return _percentiles((totals / np.maximum(counts, 1)).mean(axis=1))

    def r2(self, predicted: Float[np.ndarray, " rows"], target: Float[np.ndarray, " rows"]) -> Interval:
        """Of 1 - sum (y - y^)^2 / sum (y - mean y)^2, the mean over the resample; NaN targets are left out.

        A resample in which all targets are equal counts as 0.
        """
        return _percentiles(self._r2_of_resamples(predicted, target))

    def r2_difference(
        self,
        first: Float[np.ndarray, " rows"],
        second: Float[np.ndarray, " rows"],
        target: Float[np.ndarray, " rows"],
    ) -> Interval:
        """Of R^2 of the predictions `first` less R^2 of `second`, of the same rows in every resample."""
        return _percentiles(self._r2_of_resamples(first, target) - self._r2_of_resamples(second, target))

    def _r2_of_resamples(self, predicted: np.ndarray, target: np.ndarray) -> Float[np.ndarray, " resamples"]:
        labelled = np.isfinite(target)
        y = np.where(labelled, target, 0.0)
        y = np.where(labelled, y - y.sum() / max(labelled.sum(), 1), 0.0)  # sums of squares lose no digits
        error = np.where(labelled, predicted - target, 0.0)
        squares, sums, errors, total = self._sums(np.stack([y**2, y, error**2, labelled], axis=1)).T
        around = squares - sums**2 / np.maximum(total, 1)
        varied = around > 1e-12 * np.maximum(squares, 1e-300)
        return np.where(varied, 1 - errors / np.where(varied, around, 1.0), 0.0)

    def _sums(self, columns: np.ndarray) -> Float[np.ndarray, "resamples columns"]:
        num_images = self.counts.shape[1]
        rows = max(BLOCK // num_images, 1)
        values = columns.astype(np.float64).reshape(num_images, -1, columns.shape[1]).sum(1)
        blocks = range(0, len(self.counts), rows)
        return np.concatenate(
            [self.counts[start : start + rows].astype(np.float64) @ values for start in blocks]
        )


def _percentiles(values: Float[np.ndarray, " resamples"]) -> Interval:
    low, high = np.percentile(values, [2.5, 97.5])
    return float(low), float(high)
