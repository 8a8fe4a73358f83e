"""From covered pixels to images and masks: stacking, paint, gratings, light, noise, cells.

Legend: n images of size x size pixels, M objects, P covered pixels, g = size // cell cells on a side.
"""

from collections.abc import Iterator
from itertools import pairwise

import numpy as np

from pipeline.prepare.scenes.shapes import Covered, Objects

NOISE_POOL = 1 << 17


def stack(slot: np.ndarray, covered: Covered, num_pixels: int) -> tuple[np.ndarray, np.ndarray]:
    """What of each covered pixel is seen when objects in front hide those behind; slot (M,) of each object.

    Returns visible (P,) float32, the fraction of the pixel that shows this object, and uncovered
    (num_pixels,) float32, the fraction that shows the background.
    """
    uncovered = np.ones(num_pixels, np.float32)
    visible = np.empty_like(covered.alpha)
    for part in slots(slot, covered):
        pixel = covered.pixel[part]
        visible[part] = covered.alpha[part] * uncovered[pixel]
        uncovered[pixel] -= visible[part]
    return visible, uncovered


def gratings(rng: np.random.Generator, angle: np.ndarray, wavelength: np.ndarray) -> np.ndarray:
    """(wave_x, wave_y, phase) of gratings that vary along `angle` (radians, clockwise from the right).

    angle and wavelength (in pixels) are (n,); returns (n, 3) float32, with random phases.
    """
    number = 2 * np.pi / wavelength
    phase = rng.uniform(0, 2 * np.pi, len(angle))
    return np.stack([number * np.cos(angle), number * np.sin(angle), phase], 1).astype(np.float32)


def plane_waves(wave: np.ndarray, size: int) -> np.ndarray:
    """sin(wave_x * x + wave_y * y + phase) at the centres of the pixels: wave (n, 3) to (n, size, size)."""
    centres = (np.arange(size) + 0.5).astype(np.float32)
    along_x = (wave[:, :1] * centres + wave[:, 2:])[:, None, :]
    along_y = (wave[:, 1:2] * centres)[:, :, None]
    # sin(a + b) from sines of a and b alone: 2 * size of them an image in place of size^2.
    return np.sin(along_x) * np.cos(along_y) + np.cos(along_x) * np.sin(along_y)


def add_objects(
    images: np.ndarray, objects: Objects, covered: Covered, visible: np.ndarray, paint: tuple[float, float]
) -> None:
    """Adds the objects' visible paint to images (n, size, size, 3) in place; paint is (mean, contrast)."""
    size = images.shape[1]
    index = covered.object_index
    strength = visible
    if objects.wave is not None:
        wave = objects.wave.astype(np.float32)
        row, column = np.divmod(np.arange(size * size), size)
        place = covered.pixel % (size * size)
        angle = wave[index, 0] * (column + 0.5).astype(np.float32)[place]
        angle += wave[index, 1] * (row + 0.5).astype(np.float32)[place]
        angle += wave[index, 2]
        strength = visible * (np.float32(paint[0]) + np.float32(paint[1]) * np.sin(angle))
    flat = images.reshape(-1, 3)
    for part in slots(objects.slot, covered):
        flat[covered.pixel[part]] += strength[part, None] * objects.colour[index[part]]


def slots(slot: np.ndarray, covered: Covered) -> Iterator[slice]:
    """The stretch of covered pixels of each slot, front first; within a slot no pixel occurs twice."""
    of_pixel = slot[covered.object_index]
    ends = np.searchsorted(of_pixel, np.arange(of_pixel.max(initial=-1) + 2))
    return (slice(start, end) for start, end in pairwise(ends))


def shine(images: np.ndarray, direction: np.ndarray, num_directions: int, strength: float) -> None:
    """Multiplies images in place by a linear ramp over the whole image, 1 - strength to 1 + strength.

    direction (n,): which of num_directions the ramp rises in, counted from the right clockwise.
    """
    size = images.shape[1]
    angle = 2 * np.pi * np.arange(num_directions)[:, None, None] / num_directions
    position = (np.arange(size) + 0.5) / size * 2 - 1
    ramp = np.cos(angle) * position + np.sin(angle) * position[:, None]
    ramp = 1 + strength * ramp / (np.abs(np.cos(angle)) + np.abs(np.sin(angle)))
    images *= ramp.astype(np.float32)[direction, :, :, None]


def add_noise(rng: np.random.Generator, images: np.ndarray, sd: float) -> None:
    """Adds Gaussian noise in place, each image a stretch of one pool of normal numbers.

    Fresh numbers would cost more than all the rest of the picture; two images of a chunk share the same noise
    at the same pixels only if their offsets coincide.
    """
    per_image = images[0].size
    pool = rng.standard_normal(NOISE_POOL + per_image, dtype=np.float32) * np.float32(sd)
    stretches = np.lib.stride_tricks.sliding_window_view(pool, per_image)
    for image, offset in zip(images, rng.integers(NOISE_POOL, size=len(images)), strict=True):
        image += stretches[offset].reshape(image.shape)


def cell_masks(
    slot: np.ndarray,
    covered: Covered,
    visible: np.ndarray,
    shape: tuple[int, int],
    cell: int,
    max_objects: int,
) -> tuple[np.ndarray, np.ndarray]:
    """Foreground fraction times 255 and owner of every cell, both (n, g, g) uint8; shape is (n, size).

    The owner is the slot + 1, of slot (M,), of the object that shows most in the cell; 0 where objects show
    in less than half.
    """
    n, size = shape
    g = size // cell
    row, column = np.divmod(np.arange(size * size), size)
    cell_of_place = row // cell * g + column // cell
    scene, place = np.divmod(covered.pixel, size * size)
    key = (slot[covered.object_index] * n + scene) * g * g + cell_of_place[place]
    shown = np.bincount(key, visible, minlength=max_objects * n * g * g).reshape(max_objects, n, g, g)
    shown /= cell * cell
    foreground = shown.sum(0)
    owner = np.where(foreground >= 0.5, shown.argmax(0) + 1, 0)
    return np.rint(255 * foreground.clip(0, 1)).astype(np.uint8), owner.astype(np.uint8)
