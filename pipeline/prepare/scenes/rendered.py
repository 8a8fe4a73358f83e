"""What a renderer hands over."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Scenes:
    """One chunk of images; g = image_size // CELL cells on a side.

    images: (n, size, size, 3) uint8.
    labels: name to (n,), int64 (categorical, count) or float32 (real); -1 or NaN where an image has none.
    patch_foreground: (n, g, g) uint8, the fraction of a cell that objects cover, times 255.
    patch_object: (n, g, g) uint8, 1..count for the object that covers most of the cell, 0 where the
        background covers more than half of it. Lower numbers hide higher ones. Objects 1 and 2 are the pair
        at the labelled distance, where a distance between objects is labelled.
    """

    images: np.ndarray
    labels: dict[str, np.ndarray]
    patch_foreground: np.ndarray
    patch_object: np.ndarray
