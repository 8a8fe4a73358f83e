"""The variant `clevr_like`: 3 to 10 solids on a grey ground, with the two tasks that VTAB sets on CLEVR.

Drawn as CLEVR is: solids of two sizes, matte or shiny, whose colour, shape and place are drawn for each; a
camera that moves a little, looks down, and sees no horizon; a lamp and its shadows. A stand-in that needs no
download, not CLEVR itself: shadows are soft ellipses, solids mirror nothing, and about half of each is seen
or more.

Source: Johnson et al. 2017 (CLEVR), section 3 and its generator; Zhai et al. 2019 (VTAB), appendix A.

Legend: n images of size x size pixels, C candidates for a place, M solids of all images.
"""

from typing import NamedTuple

import numpy as np

from pipeline.data.labels import Label
from pipeline.data.store import CELL
from pipeline.prepare.clevr import FEWEST, LABELS, MOST, depth_class
from pipeline.prepare.scenes.drawing import add_noise, cell_masks, slots, stack
from pipeline.prepare.scenes.ground import paint_ground
from pipeline.prepare.scenes.palette import CLEVR_COLOURS, NOISE_SD
from pipeline.prepare.scenes.rendered import Scenes
from pipeline.prepare.scenes.solids import (
    HALF_HEIGHTS,
    SOLIDS,
    TAN_X,
    TAN_Y,
    Cameras,
    Seen,
    Solids,
    cast,
)

CAMERA = np.array([7.48, -6.5, 5.34])
"""11.3 scene units from the middle of the ground, so that the nearest depths spread over VTAB's classes."""

TARGET = np.array([0.0, 0.0, 0.0])
JITTER = 0.5  # of the camera, along each axis
REACH = 3.0  # objects lie in [-REACH, REACH]^2
GAP = 0.2  # on the ground between two objects
APART = 0.85  # of two objects in the image, in sums of their radii: one hides little of the other
TALL = 1.3  # height over width of an object in the image, about
RADII = ((0.45, 0.75), (0.35, 0.7))
"""Small and large: below 64 pixels, where CLEVR's small objects would be two pixels wide, and from 64 on."""

LAMP_SIDE, LAMP_JITTER, LAMP_HEIGHT = np.radians([-60, 25, 52])  # left of the camera; height over the ground
CANDIDATES = 40
MAX_ROUNDS = 2000


def label_specs() -> dict[str, Label]:
    """The labels in the order of `Scenes.labels`.

    closest_object_depth is what closest_object_distance cuts into classes: the depth of the nearest centre
    along the optical axis, as in CLEVR. A mirrored image keeps all labels. A crop loses objects, enlarges
    what is left as if it were nearer, and changes the covered share.
    """
    return LABELS | {
        "closest_object_depth": Label("real", unit="scene units", survives_crop=False),
        "foreground": Label("real", unit="fraction", survives_crop=False),
    }


def render(num_images: int, image_size: int, seed: int, chunk: int) -> Scenes:
    """As render.render, which has checked image_size and num_images.

    The number of objects is uniform. Other labels depend on it, as in CLEVR: of more objects the nearest is
    nearer (correlation of number and depth about -.4), and more of the image is covered (.7).
    """
    rng = np.random.default_rng([seed, chunk])
    number, cameras, light, solids = sample(rng, num_images, image_size)
    seen = cast(solids, cameras, light, image_size)

    covered = seen.covered
    visible, uncovered = stack(solids.slot, covered, num_images * image_size**2)
    images = paint_ground(solids, cameras, light, image_size)
    images *= uncovered.reshape(images.shape[:3])[..., None]
    _add_solids(images, solids, seen, visible)
    add_noise(rng, images, NOISE_SD)

    depth = np.full((num_images, MOST), np.inf)
    depth[solids.scene, solids.slot] = cameras.of(solids.scene).project(solids.centre)[:, 2]
    nearest = depth.min(1)
    labels = {
        "count_all": number - FEWEST,
        "closest_object_distance": depth_class(nearest),
        "closest_object_depth": nearest.astype(np.float32),
        "foreground": (1 - uncovered.reshape(num_images, -1).mean(1)).astype(np.float32),
    }
    images = np.clip(images, 0, 255, out=images).astype(np.uint8)
    masks = cell_masks(solids.slot, covered, visible, (num_images, image_size), CELL, MOST)
    return Scenes(images, labels, *masks)


class Sampled(NamedTuple):
    """What n images show. number (n,): of solids. light (n, 3): unit vectors towards the lamps."""

    number: np.ndarray
    cameras: Cameras
    light: np.ndarray
    solids: Solids


def sample(rng: np.random.Generator, num_images: int, image_size: int) -> Sampled:
    """All that `render` draws before it paints."""
    number = rng.integers(FEWEST, MOST + 1, num_images)
    cameras, light = _sample_cameras(rng, num_images), _sample_lamps(rng, num_images)
    radii = RADII[0] if image_size < 64 else RADII[1]
    return Sampled(number, cameras, light, _sample_solids(rng, number, cameras, radii))


def _sample_cameras(rng: np.random.Generator, n: int) -> Cameras:
    position = CAMERA + rng.uniform(-JITTER, JITTER, (n, 3))
    forward = _unit(TARGET - position)
    right = _unit(np.cross(forward, [0, 0, 1]))
    return Cameras(position, np.stack([right, np.cross(right, forward), forward], 1))


def _sample_lamps(rng: np.random.Generator, n: int) -> np.ndarray:
    """Unit vectors (n, 3) towards the lamps."""
    angle = np.arctan2(CAMERA[1], CAMERA[0]) + LAMP_SIDE + rng.uniform(-LAMP_JITTER, LAMP_JITTER, n)
    level, height = np.cos(LAMP_HEIGHT), np.full(n, np.sin(LAMP_HEIGHT))
    return np.stack([level * np.cos(angle), level * np.sin(angle), height], 1)


def _unit(vectors: np.ndarray) -> np.ndarray:
    return vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)


def _sample_solids(
    rng: np.random.Generator, number: np.ndarray, cameras: Cameras, radii: tuple[float, float]
) -> Solids:
    """Solids, number (n,) of them in each scene, of two radii (scene units).

    Each has its shape, radius, colour, turn and gloss to itself. A scene that cannot be completed from its
    candidates is drawn again with the same number, so that numbers stay uniform; large ones get rarer where
    there are many, as in CLEVR.
    """
    n = len(number)
    centre, radius = np.full((n, MOST, 3), np.nan), np.full((n, MOST), np.nan)
    shape = np.zeros((n, MOST), np.int64)
    pending = np.arange(n)
    for _ in range(MAX_ROUNDS):
        complete, *layout = _try_layouts(rng, number[pending], cameras.of(pending), radii)
        for whole, part in zip((centre, radius, shape), layout, strict=True):
            whole[pending[complete]] = part[complete]
        pending = pending[~complete]
        if not len(pending):
            break
    assert not len(pending), f"{len(pending)} layouts are infeasible"

    # The power of the camera with respect to a base grows from front to back: the line on which two powers
    # are equal parts the two bases, and the camera lies on the side of the smaller.
    power = ((centre[..., :2] - cameras.position[:, None, :2]) ** 2).sum(2) - radius**2
    slot, scene = np.nonzero(np.arange(MOST)[:, None] < number)
    power[np.arange(MOST) >= number[:, None]] = np.inf
    row = scene, power.argsort(1)[scene, slot]
    turn = rng.uniform(0, 2 * np.pi, len(scene))
    palette = np.array(list(CLEVR_COLOURS.values()), np.float32)
    colour = palette[rng.integers(len(palette), size=len(scene))]
    gloss = rng.integers(2, size=len(scene)).astype(np.float32)
    return Solids(scene, slot, centre[row], radius[row], turn, shape[row], colour, gloss)


def _try_layouts(
    rng: np.random.Generator, number: np.ndarray, cameras: Cameras, radii: tuple[float, float]
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """One attempt a scene: which are complete (n,), centres (n, MOST, 3), radii and shapes (n, MOST)."""
    n = len(number)
    shape = rng.integers(len(SOLIDS), size=(n, CANDIDATES))
    radius = np.array(radii)[rng.integers(2, size=(n, CANDIDATES))]
    ground = rng.uniform(-REACH, REACH, (n, CANDIDATES, 2))
    centre = np.concatenate([ground, (radius * HALF_HEIGHTS[shape])[..., None]], 2)
    x, y, depth = np.moveaxis(cameras.project(centre), 2, 0)
    size = radius / depth
    free = (np.abs(x) + size < TAN_X) & (np.abs(y) + TALL * size < TAN_Y)

    taken, complete = np.zeros((n, MOST), np.int64), np.ones(n, bool)
    image = np.stack([x / APART, y / (APART * TALL), size]).astype(np.float32)
    base = np.stack([*np.moveaxis(ground, 2, 0), radius + GAP / 2]).astype(np.float32)
    rows = np.arange(n)
    for slot in range(MOST):
        keep = number[rows] > slot
        rows, image, base, free = rows[keep], image[:, keep], base[:, keep], free[keep]
        first = free.argmax(1)
        complete[rows[~free.any(1)]] = False
        taken[rows, slot] = first
        for discs in (image, base):
            x, y, size = discs
            x_taken, y_taken, size_taken = discs[:, np.arange(len(rows)), first, None]
            free &= (x - x_taken) ** 2 + (y - y_taken) ** 2 > (size + size_taken) ** 2
    row = np.arange(n)[:, None], taken
    return complete, centre[row], radius[row], shape[row]


def _add_solids(images: np.ndarray, solids: Solids, seen: Seen, visible: np.ndarray) -> None:
    """Adds the visible parts of solids to images (n, size, size, 3) in place."""
    covered, flat = seen.covered, images.reshape(-1, 3)
    shown = visible / covered.alpha
    diffuse, highlight = shown * seen.diffuse, 255 * shown * seen.highlight
    for part in slots(solids.slot, covered):
        colour = solids.colour[covered.object_index[part]]
        flat[covered.pixel[part]] += diffuse[part, None] * colour + highlight[part, None]
