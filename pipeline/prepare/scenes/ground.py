"""The ground that solids stand on: grey, lighter in the middle, with the soft shadows of one lamp.

Places on the ground are told from the point under the camera: aside (to its right) and ahead.

Legend: n images, M solids of all images, W_x and W_y pixels on the sides of the window around a shadow.
"""

import numpy as np

from pipeline.prepare.scenes.palette import GROUND, GROUND_EDGE, GROUND_POOL, SHADOW
from pipeline.prepare.scenes.solids import Cameras, Solids, Windows, batches, windows_around


def paint_ground(solids: Solids, cameras: Cameras, light: np.ndarray, image_size: int) -> np.ndarray:
    """Images (n, size, size, 3) float32 without solids; light (n, 3): unit vectors towards the lamps."""
    n = len(light)
    whole = np.broadcast_to(np.arange(image_size), (n, image_size))
    ahead, aside = _places(Windows(np.arange(n), whole, whole, image_size), cameras)
    _, middle = _level(cameras, -cameras.position)
    distance = (ahead - middle[:, None].astype(np.float32))[:, :, None] ** 2 + aside * aside
    brightness = GROUND_EDGE + (1 - GROUND_EDGE) / (1 + distance / np.float32(GROUND_POOL**2))
    brightness *= _shadows(solids, cameras, light, image_size)
    return brightness[..., None] * np.array(GROUND, np.float32)


def _shadows(solids: Solids, cameras: Cameras, light: np.ndarray, image_size: int) -> np.ndarray:
    """Share of the light (n, size, size) that reaches the ground: an ellipse of less behind each solid."""
    lamp, height = light[solids.scene], solids.centre[:, 2:]
    # The lamp throws the centre of a solid this far.
    throw = -lamp * height / lamp[:, 2:]
    centre = solids.centre + throw
    long = solids.radius + 0.5 * np.linalg.norm(throw[:, :2], axis=1)
    apparent = long / cameras.of(solids.scene).project(centre)[:, 2]
    parts = [
        _one_batch(solids, chosen, cameras, lamp, centre, long, image_size)
        for chosen in batches(np.arange(len(long)), apparent, image_size)
    ]
    pixel, darkness = (np.concatenate(column) for column in zip(*parts, strict=True))
    total = np.bincount(pixel, darkness, minlength=len(light) * image_size**2)
    return np.exp(-SHADOW * total).astype(np.float32).reshape(-1, image_size, image_size)


def _one_batch(
    solids: Solids,
    chosen: np.ndarray,
    cameras: Cameras,
    lamp: np.ndarray,
    centre: np.ndarray,
    long: np.ndarray,
    image_size: int,
) -> tuple[np.ndarray, np.ndarray]:
    """The pixels that the shadows of the solids `chosen` darken, and by how much of SHADOW."""
    scene, radius = solids.scene[chosen], solids.radius[chosen]
    cameras, lamp, centre, long = cameras.of(scene), lamp[chosen], centre[chosen], long[chosen]
    seen = cameras.project(centre)
    half = 1.4 * long / seen[:, 2]
    windows = windows_around(scene, seen, (half, 0.8 * half), image_size)
    ahead, aside = _places(windows, cameras)
    lamp_aside, lamp_ahead = _level(cameras, lamp)
    from_aside, from_ahead = _level(cameras, centre - cameras.position)
    aside -= from_aside.astype(np.float32)[:, None, None]
    ahead -= from_ahead.astype(np.float32)[:, None]

    size = np.stack([long, radius]) * np.hypot(lamp_aside, lamp_ahead)
    axes = np.stack([[lamp_aside, lamp_ahead], [-lamp_ahead, lamp_aside]]) / size[:, None]
    squares = np.zeros_like(aside)
    for on_aside, on_ahead in axes.astype(np.float32):
        part = aside * on_aside[:, None, None]
        part += (ahead * on_ahead[:, None])[:, :, None]
        squares += part * part
    darkness = np.exp(-squares * squares) * windows.inside()
    places = np.flatnonzero(darkness > 1 / 64)
    return windows.pixels(places)[1], darkness.ravel()[places]


def _places(windows: Windows, cameras: Cameras) -> tuple[np.ndarray, np.ndarray]:
    """Where the rays through the pixels meet the ground: ahead (m, W_y), aside (m, W_y, W_x); float32."""
    x, y = windows.rays(1)
    cos, sin = cameras.axes[:, 1, 2:], -cameras.axes[:, 2, 2:]
    scale = cameras.position[:, 2:] / (sin - cos * y)
    return (scale * (cos + sin * y)).astype(np.float32), scale.astype(np.float32)[:, :, None] * x[:, None, :]


def _level(cameras: Cameras, vectors: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The parts of vectors (m, 3) that point aside and ahead, (m,) each."""
    right = cameras.axes[:, 0]
    aside = vectors[:, 0] * right[:, 0] + vectors[:, 1] * right[:, 1]
    return aside, vectors[:, 1] * right[:, 0] - vectors[:, 0] * right[:, 1]
