"""Solids on a ground plane under perspective: cameras, and what rays of light see of each solid.

World axes: x and y on the ground, z up. Lengths are scene units, those of CLEVR. A camera has no roll, so
its axis `right` is level.

Legend: n scenes, M solids of all scenes, W pixels on a side of the window around a solid, P covered pixels.
"""

from dataclasses import dataclass

import numpy as np

from pipeline.prepare.scenes.shapes import Covered

SOLIDS = ("sphere", "cube", "cylinder")
SPHERE, CUBE, CYLINDER = range(3)
HALF_SIDE = np.float32(np.sqrt(0.5))
HALF_HEIGHTS = np.array([1, HALF_SIDE, 1], np.float32)
"""Of each solid in radii; the radius is that of the circle around its base."""

TAN_X = 0.38
TAN_Y = TAN_X * 2 / 3
"""Half the width and height of the image at depth 1: 3:2 squeezed to a square, as CLEVR is by VTAB."""

SAMPLES = 2  # rays along each side of a pixel
BATCH_PIXELS = 1 << 17  # of whole images, as many as there are solids in a batch; bounds the memory
SKY = 0.45  # share of the light that comes from above; the rest is the lamp's
AWAY = 0.2  # of the sky's light that reaches a surface turned down
SHININESS = 5  # the highlight is a cosine to the power 2**SHININESS


@dataclass(frozen=True)
class Cameras:
    """One camera a scene: position (n, 3), and axes (n, 3, 3): rows right, up, forward."""

    position: np.ndarray
    axes: np.ndarray

    def of(self, scene: np.ndarray) -> "Cameras":
        """The cameras of those scenes (M,), one a row."""
        return Cameras(self.position[scene], self.axes[scene])

    def project(self, points: np.ndarray) -> np.ndarray:
        """(x, y, depth) of points (n, ..., 3): x and y at depth 1, depth along the optical axis; same shape.

        The source of this depth is CLEVR's pixel_coords[2].
        """
        offset = points - self.position.reshape(len(points), *[1] * (points.ndim - 2), 3)
        seen = np.einsum("nij,n...j->n...i", self.axes, offset)
        seen[..., :2] /= seen[..., 2:]
        return seen


@dataclass(frozen=True)
class Solids:
    """All solids of a batch of scenes, one row each, sorted by slot (the order from front to back).

    centre (M, 3), radius (M,), turn (M,) radians about the vertical, shape (M,) an index of SOLIDS, colour
    (M, 3) 0 to 255, gloss (M,) 0 matte to 1. A scene has at most one solid in a slot.
    """

    scene: np.ndarray
    slot: np.ndarray
    centre: np.ndarray
    radius: np.ndarray
    turn: np.ndarray
    shape: np.ndarray
    colour: np.ndarray
    gloss: np.ndarray


@dataclass(frozen=True)
class Windows:
    """The pixels around each of m solids: which image (m,), columns (m, W_x) and rows (m, W_y)."""

    scene: np.ndarray
    column: np.ndarray
    row: np.ndarray
    image_size: int

    def rays(self, samples: int) -> tuple[np.ndarray, np.ndarray]:
        """x (m, W_x * samples) and y (m, W_y * samples) at depth 1 of evenly spread samples; float32."""
        within = (np.arange(samples) + 0.5) / samples
        x = (self.column[..., None] + within).reshape(len(self.column), -1) * (2 / self.image_size) - 1
        y = 1 - (self.row[..., None] + within).reshape(len(self.row), -1) * (2 / self.image_size)
        return (x * TAN_X).astype(np.float32), (y * TAN_Y).astype(np.float32)

    def inside(self) -> np.ndarray:
        """Which pixels lie in the image: (m, W_y, W_x) bool."""
        inside_x = (self.column >= 0) & (self.column < self.image_size)
        inside_y = (self.row >= 0) & (self.row < self.image_size)
        return inside_y[:, :, None] & inside_x[:, None, :]

    def pixels(self, places: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Of flat places in (m, W_y, W_x): the row of the window, and the pixel counted through the batch."""
        window, place = np.divmod(places, self.row.shape[1] * self.column.shape[1])
        row, column = np.divmod(place, self.column.shape[1])
        pixel = (self.scene[window] * self.image_size + self.row[window, row]) * self.image_size
        return window, pixel + self.column[window, column]


def windows_around(
    scene: np.ndarray, seen: np.ndarray, half: tuple[np.ndarray, np.ndarray], image_size: int
) -> Windows:
    """Windows about projected points seen (m, 3), as large as the largest of half (x and y, at depth 1)."""
    to_pixels = image_size / 2 / TAN_X, image_size / 2 / TAN_Y
    column = np.floor(image_size / 2 + seen[:, 0] * to_pixels[0]).astype(np.int64)[:, None]
    row = np.floor(image_size / 2 - seen[:, 1] * to_pixels[1]).astype(np.int64)[:, None]
    half_x, half_y = (int(np.ceil(h.max(initial=0) * k)) for h, k in zip(half, to_pixels, strict=True))
    return Windows(
        scene, column + np.arange(-half_x, half_x + 1), row + np.arange(-half_y, half_y + 1), image_size
    )


def batches(chosen: np.ndarray, apparent: np.ndarray, image_size: int) -> list[np.ndarray]:
    """Parts of the rows `chosen`, each of much the same `apparent` size: windows waste little then."""
    ordered = chosen[apparent[chosen].argsort(kind="stable")]
    step = max(1, BATCH_PIXELS // image_size**2)
    return [ordered[start : start + step] for start in range(0, len(ordered), step)]


@dataclass(frozen=True)
class Seen:
    """What solids cover, front first, and how bright it is there: diffuse and highlight (P,), times alpha."""

    covered: Covered
    diffuse: np.ndarray
    highlight: np.ndarray


def cast(solids: Solids, cameras: Cameras, light: np.ndarray, image_size: int) -> Seen:
    """Rays through SAMPLES x SAMPLES points of each pixel of a window around each solid.

    light (n, 3): unit vectors towards the lamp, which is far away. A surface is lit as Lambert's law says,
    and a glossy one has a highlight (Blinn 1977) besides.
    """
    apparent = solids.radius / cameras.of(solids.scene).project(solids.centre)[:, 2]
    parts = [
        _cast_alike(solids, chosen, cameras, light, image_size)
        for shape in range(len(SOLIDS))
        for chosen in batches(np.flatnonzero(solids.shape == shape), apparent, image_size)
    ]
    index, pixel, alpha, diffuse, highlight = (np.concatenate(column) for column in zip(*parts, strict=True))
    order = np.argsort(solids.slot[index], kind="stable")
    return Seen(Covered(index[order], pixel[order], alpha[order]), diffuse[order], highlight[order])


def _cast_alike(
    solids: Solids,
    chosen: np.ndarray,
    cameras: Cameras,
    light: np.ndarray,
    image_size: int,
) -> tuple[np.ndarray, ...]:
    """Solids of one shape, in the coordinates of each: unit radius, origin at its centre."""
    scene, radius = solids.scene[chosen], solids.radius[chosen]
    cameras, centre = cameras.of(scene), solids.centre[chosen]
    seen = cameras.project(centre)
    depth = seen[:, 2]
    # The corners of a cylinder lie sqrt(2) from its centre; perspective adds a little.
    windows = windows_around(scene, seen, (1.1 * radius / depth, 1.45 * radius / depth), image_size)
    x, y = windows.rays(SAMPLES)

    turn = solids.turn[chosen].astype(np.float32)
    axes = _turned(cameras.axes, -turn[:, None])
    origin = _turned((cameras.position - centre) / radius[:, None], -turn)
    lamp = _turned(light[scene], -turn)
    towards = -axes[:, 2] + lamp
    half_way = towards / np.linalg.norm(towards, axis=1, keepdims=True)
    along_x = (x[:, None, :, None] * axes[:, None, None, 0] + axes[:, None, None, 2]).astype(np.float32)
    along_y = (y[:, :, None, None] * axes[:, None, None, 1]).astype(np.float32)
    ray = tuple(along_x[..., k] + along_y[..., k] for k in range(3))
    hit, diffuse, gloss = INTERSECT[solids.shape[chosen[0]]](
        ray, *(v.astype(np.float32)[..., None, None] for v in (origin.T, lamp.T, half_way.T))
    )

    def pooled(values: np.ndarray) -> np.ndarray:
        rows = values[:, ::SAMPLES] + values[:, 1::SAMPLES]
        return (rows[:, :, ::SAMPLES] + rows[:, :, 1::SAMPLES]) * np.float32(1 / SAMPLES**2)

    alpha = pooled(hit.astype(np.float32)) * windows.inside()
    places = np.flatnonzero(alpha)
    window, pixel = windows.pixels(places)
    diffuse, gloss = (pooled(part * hit).ravel()[places] for part in (diffuse, gloss))
    return chosen[window], pixel, alpha.ravel()[places], diffuse, gloss * solids.gloss[chosen][window]


def _turned(vectors: np.ndarray, angle: np.ndarray) -> np.ndarray:
    """Vectors (..., 3) turned about the vertical by angle (...) in radians."""
    cos, sin = np.cos(angle), np.sin(angle)
    x, y, z = np.moveaxis(vectors, -1, 0)
    return np.stack([cos * x - sin * y, sin * x + cos * y, z], -1)


Ray = tuple[np.ndarray, ...]
Lit = tuple[np.ndarray, np.ndarray, np.ndarray]
"""Whether a ray hits, how light its surface is there, and the highlight."""


def _light(normal: Ray, lamp: np.ndarray, half_way: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Diffuse light and highlight of surfaces with that unit normal."""
    facing = np.maximum(normal[0] * lamp[0] + normal[1] * lamp[1] + normal[2] * lamp[2], 0)
    diffuse = facing * np.float32(1 - SKY)
    diffuse = diffuse + (np.float32(SKY * (1 + AWAY) / 2) + np.float32(SKY * (1 - AWAY) / 2) * normal[2])
    gloss = np.maximum(normal[0] * half_way[0] + normal[1] * half_way[1] + normal[2] * half_way[2], 0)
    for _ in range(SHININESS):
        gloss = gloss * gloss
    return diffuse, gloss


def _sphere(ray: Ray, origin: np.ndarray, lamp: np.ndarray, half_way: np.ndarray) -> Lit:
    a = ray[0] * ray[0] + ray[1] * ray[1] + ray[2] * ray[2]
    b = ray[0] * origin[0] + ray[1] * origin[1] + ray[2] * origin[2]
    c = (origin * origin).sum(0) - 1
    under = b * b - a * c
    t = (-b - np.sqrt(np.maximum(under, 0))) / a
    normal = tuple(o + t * d for o, d in zip(origin, ray, strict=True))
    return under > 0, *_light(normal, lamp, half_way)


def _cube(ray: Ray, origin: np.ndarray, lamp: np.ndarray, half_way: np.ndarray) -> Lit:
    near, far = [], []
    for d, o in zip(ray, origin, strict=True):
        inverse = 1 / np.where(d == 0, np.float32(1e-12), d)
        one, other = (-HALF_SIDE - o) * inverse, (HALF_SIDE - o) * inverse
        near.append(np.minimum(one, other))
        far.append(np.maximum(one, other))
    enters = np.maximum(np.maximum(near[0], near[1]), near[2])
    hit = enters < np.minimum(np.minimum(far[0], far[1]), far[2])
    # From outside a face is seen where the camera is on its side.
    side, none = np.sign(origin), np.zeros_like(origin[0])
    faces = [
        _light(tuple(side[k] if axis == k else none for axis in range(3)), lamp, half_way) for k in range(3)
    ]
    first, second = enters == near[0], enters == near[1]
    diffuse, gloss = (
        np.where(first, faces[0][part], np.where(second, faces[1][part], faces[2][part])) for part in (0, 1)
    )
    return hit, diffuse, gloss


def _cylinder(ray: Ray, origin: np.ndarray, lamp: np.ndarray, half_way: np.ndarray) -> Lit:
    a = ray[0] * ray[0] + ray[1] * ray[1]
    b = ray[0] * origin[0] + ray[1] * origin[1]
    c = origin[0] * origin[0] + origin[1] * origin[1] - 1
    under = b * b - a * c
    root = np.sqrt(np.maximum(under, 0))
    side = (-b - root) / a
    # Cameras look down, so a ray meets the top before the base.
    top, base = (1 - origin[2]) / ray[2], (-1 - origin[2]) / ray[2]
    hit = (under > 0) & (np.maximum(side, top) < np.minimum((root - b) / a, base))
    on_side = side > top
    normal = (
        np.where(on_side, origin[0] + side * ray[0], 0),
        np.where(on_side, origin[1] + side * ray[1], 0),
        np.where(on_side, np.float32(0), np.float32(1)),
    )
    return hit, *_light(normal, lamp, half_way)


INTERSECT = (_sphere, _cube, _cylinder)
"""Of each of SOLIDS. A ray is origin + t * (ray_x, ray_y, ray_z)."""
