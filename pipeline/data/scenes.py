"""Generated scenes: labelled images of simple objects whose factors are independent of each other.

Four variants. `textured` (the default): a few large objects that share shape, colour, size and a grating, over
a grating background; what is visible predicts what is hidden, so a JEPA can learn it. `factors`: small objects,
all alike. `mixed`: small objects, each with its own shape and colour. `single`: one object, with its position
and its rotation.

Legend: n images, g = image_size // CELL cells on a side, M objects of all images.
"""

from dataclasses import dataclass, replace

import numpy as np

from pipeline.data.labels import Label
from pipeline.data.scene_layout import sample_centres
from pipeline.data.scene_shapes import SHAPES, Covered, Objects, cover

VARIANTS = ("textured", "factors", "mixed", "single")
CELL = 4
"""Side in pixels of the cells in which the objects' masks are reported."""

COLOURS = {
    "red": (235, 30, 35),
    "orange": (255, 135, 0),
    "yellow": (255, 232, 40),
    "green": (60, 200, 60),
    "cyan": (0, 220, 225),
    "blue": (60, 110, 255),
    "purple": (190, 70, 225),
    "white": (250, 250, 250),
}
# Darker and greyer than any object, so that every pair of colours is told apart and all pairs can occur.
BACKGROUNDS = {
    "grey": (92, 92, 96),
    "black": (34, 34, 38),
    "navy": (32, 42, 104),
    "teal": (20, 92, 92),
    "forest": (30, 88, 34),
    "olive": (98, 92, 26),
    "brown": (104, 62, 34),
    "plum": (88, 32, 82),
}
DIRECTIONS = tuple(f"{angle} degrees" for angle in range(0, 360, 45))
ORIENTATIONS = tuple(f"{angle:g} degrees" for angle in np.arange(8) * 22.5)
LEVELS = ("low", "middle", "high")
SIZES = ("small", "medium", "large")

# Wavelengths as fractions of the image: an object's highest frequency has 4.2 pixels per period at 32 pixels.
OBJECT_WAVELENGTHS = np.array([0.28, 0.19, 0.13])
BACKGROUND_WAVELENGTHS = np.array([0.78, 0.45, 0.27])
OBJECT_PAINT = (0.65, 0.35)
BACKGROUND_PAINT = (1.0, 0.5)
LIGHT_STRENGTH = 0.25
NOISE_SD = 4.0
NOISE_POOL = 1 << 17


@dataclass(frozen=True)
class Scenes:
    """One chunk of images.

    images: (n, size, size, 3) uint8.
    labels: name to (n,), int64 (categorical, count) or float32 (real); -1 or NaN where an image has none.
    patch_foreground: (n, g, g) uint8, the fraction of a cell that objects cover, times 255.
    patch_object: (n, g, g) uint8, 1..count for the object that covers most of the cell, 0 where the
        background covers more than half of it.
    """

    images: np.ndarray
    labels: dict[str, np.ndarray]
    patch_foreground: np.ndarray
    patch_object: np.ndarray


@dataclass(frozen=True)
class Geometry:
    """What a variant leaves open at a given size; lengths are fractions of the image's side.

    radii: of the three sizes. distances: range of the smallest distance between centres, the same for every
    count. margin: how near to the image's edge a centre may come. radius_jitter: relative, per object.
    """

    max_objects: int
    radii: tuple[float, float, float]
    distances: tuple[float, float]
    margin: float
    radius_jitter: float = 0.0


def geometry(variant: str, image_size: int) -> Geometry:
    """The counts and lengths of a variant. Raises ValueError on an unknown variant or an unfit size."""
    if variant not in VARIANTS:
        raise ValueError(f"scenes variant: must be one of {', '.join(VARIANTS)}, got {variant!r}")
    if image_size < 32 or image_size % CELL:
        raise ValueError(f"scenes image_size: must be a multiple of {CELL} and >= 32, got {image_size}")
    if variant == "textured":
        return Geometry(3, radii=(0.16, 0.20, 0.245), distances=(0.38, 0.58), margin=0.14)
    if variant == "single":
        return Geometry(1, radii=(0.14, 0.19, 0.24), distances=(0, 0), margin=0.3)
    # Ten objects need more pixels than 32 x 32 has: there they are six, and larger for their image.
    few = Geometry(6, radii=(0.06, 0.085, 0.11), distances=(0.245, 0.345), margin=0.13)
    many = Geometry(10, radii=(0.046, 0.061, 0.076), distances=(0.17, 0.26), margin=0.1)
    chosen = few if image_size < 64 else many
    return replace(chosen, radius_jitter=0.12) if variant == "mixed" else chosen
