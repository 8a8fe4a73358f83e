"""Shapes as signed distances, and the pixels that each object of a batch of scenes covers.

Legend: M objects of the whole batch, W pixels on a side of the window around an object, P covered pixels.
"""

from dataclasses import dataclass

import numpy as np

SHAPES = ("disc", "square", "triangle", "cross", "ring", "diamond")
EXTENT = 1.2
"""No shape reaches farther than this many radii from its centre."""

DISC, SQUARE, TRIANGLE, CROSS, RING = range(5)


@dataclass(frozen=True)
class Objects:
    """All objects of a batch of scenes, one row each, sorted by slot (the order from front to back).

    Lengths are in pixels, the origin is the upper left corner of the image, angles are in radians.
    An object's paint is `colour * (mean + contrast * sin(wave_x * x + wave_y * y + phase))`, or its plain
    colour where `wave` (M, 3) is None. A scene has at most one object in a slot.
    """

    scene: np.ndarray
    slot: np.ndarray
    x: np.ndarray
    y: np.ndarray
    radius: np.ndarray
    rotation: np.ndarray
    shape: np.ndarray
    colour: np.ndarray
    wave: np.ndarray | None = None


@dataclass(frozen=True)
class Covered:
    """The pixels that objects cover, (P,) each, in the order of the objects' slots, front first.

    pixel counts through the whole batch, scene by scene and row by row; alpha is the covered fraction of the
    pixel by this object alone.
    """

    object_index: np.ndarray
    pixel: np.ndarray
    alpha: np.ndarray


def signed_distance(shape: int, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Distance to the outline of SHAPES[shape] of radius 1 about the origin, negative inside.

    Exact inside and along the edges, which is all that an anti-aliased edge needs; an underestimate beyond
    the corners. Areas lie between 1.7 and 3.1, so that area alone does not tell shapes apart.
    """
    if shape == DISC:
        return np.sqrt(x * x + y * y) - 1
    if shape == RING:
        return np.abs(np.sqrt(x * x + y * y) - 0.77) - 0.25
    if shape == TRIANGLE:
        return np.maximum(y, np.abs(x) * 0.8660254 - 0.5 * y) - 0.6
    x, y = np.abs(x), np.abs(y)
    if shape == SQUARE:
        return np.maximum(x, y) - 0.82
    if shape == CROSS:
        return np.maximum(np.minimum(x, y) - 0.32, np.maximum(x, y) - 1)
    return x * 0.8638 + y * 0.5039 - 0.6047


def cover(objects: Objects, image_size: int) -> Covered:
    """The pixels under every object and how much of each it covers, anti-aliased over one pixel.

    Distances are evaluated only in a window around each object: nine tenths of a plain scene are background.
    """
    parts = [_cover_one_shape(objects, shape, image_size) for shape in range(len(SHAPES))]
    index, pixel, alpha = (np.concatenate(column) for column in zip(*parts, strict=True))
    # The objects are sorted by slot, so a stable sort by object puts the front slot first.
    order = np.argsort(objects.slot[index], kind="stable")
    return Covered(index[order], pixel[order], alpha[order])


def _cover_one_shape(
    objects: Objects, shape: int, image_size: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    chosen = np.flatnonzero(objects.shape == shape)
    radius = objects.radius[chosen, None, None].astype(np.float32)
    half = int(np.ceil(EXTENT * radius.max(initial=0) + 0.5))
    offsets = np.arange(-half, half + 1)
    column = np.floor(objects.x[chosen]).astype(np.int64)[:, None] + offsets
    row = np.floor(objects.y[chosen]).astype(np.int64)[:, None] + offsets
    dx = (column + 0.5 - objects.x[chosen, None]).astype(np.float32)[:, None, :]
    dy = (row + 0.5 - objects.y[chosen, None]).astype(np.float32)[:, :, None]
    cos = np.cos(objects.rotation[chosen]).astype(np.float32)[:, None, None] / radius
    sin = np.sin(objects.rotation[chosen]).astype(np.float32)[:, None, None] / radius

    distance = signed_distance(shape, cos * dx + sin * dy, cos * dy - sin * dx)
    alpha = np.clip(np.float32(0.5) - distance * radius, 0, 1)
    alpha *= ((column >= 0) & (column < image_size))[:, None, :]
    alpha *= ((row >= 0) & (row < image_size))[:, :, None]

    alpha = alpha.ravel()
    hit = np.flatnonzero(alpha)
    window, place = np.divmod(hit, len(offsets) ** 2)
    window_row, window_column = np.divmod(place, len(offsets))
    scene = objects.scene[chosen]
    pixel = (scene[window] * image_size + row[window, window_row]) * image_size
    return chosen[window], pixel + column[window, window_column], alpha[hit]
