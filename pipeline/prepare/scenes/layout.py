"""Where the objects of a scene lie: centres whose smallest distance is independent of their number.

Sampling centres freely ties the two together (more objects, a closer pair: correlation -.7). Here the
distance is drawn first, one pair is planted at exactly that distance, and all other pairs are kept farther
apart.
"""

import numpy as np

CANDIDATES = 96
MAX_ROUNDS = 2000


def sample_centres(
    rng: np.random.Generator, num_objects: np.ndarray, distance: np.ndarray, low: float, high: float
) -> np.ndarray:
    """Centres in the square [low, high]^2, shape (n, max(num_objects), 2) float64; unused rows are NaN.

    num_objects (n,) >= 1; distance (n,): the smallest distance between two centres of the scene, met exactly
    by the first two objects (not read where there is one object). A scene that cannot be completed from its
    candidates is drawn again with the same number and distance, so that neither is biased by feasibility.
    """
    max_objects = int(num_objects.max())
    centres = np.full((len(num_objects), max_objects, 2), np.nan)
    pending = np.arange(len(num_objects))
    for _ in range(MAX_ROUNDS):
        placed, complete = _try_layouts(rng, num_objects[pending], distance[pending], low, high, max_objects)
        centres[pending[complete]] = placed[complete]
        pending = pending[~complete]
        if not len(pending):
            return centres
    raise AssertionError(f"{len(pending)} layouts are infeasible in [{low}, {high}]^2")


def _try_layouts(
    rng: np.random.Generator,
    num_objects: np.ndarray,
    distance: np.ndarray,
    low: float,
    high: float,
    max_objects: int,
) -> tuple[np.ndarray, np.ndarray]:
    """One attempt per scene: centres (n, max_objects, 2) and which scenes are complete (n,)."""
    n = len(num_objects)
    centres = np.full((n, max_objects, 2), np.nan)
    angle = rng.uniform(0, 2 * np.pi, n)
    step = np.stack([np.cos(angle), np.sin(angle)], 1) * np.where(num_objects > 1, distance, 0)[:, None]
    # The first centre is drawn from where the second, one step away, is inside the square as well.
    centres[:, 0] = rng.uniform(low - np.minimum(step, 0), high - np.maximum(step, 0))
    complete = np.ones(n, bool)
    if max_objects == 1:
        return centres, complete
    pair = num_objects > 1
    centres[pair, 1] = (centres[:, 0] + step)[pair]

    rows = np.flatnonzero(num_objects > 2)
    candidates = rng.uniform(low, high, (len(rows), CANDIDATES, 2)).astype(np.float32)
    free = np.ones((len(rows), CANDIDATES), bool)
    for slot in range(max_objects):
        if slot >= 2:
            keep = num_objects[rows] > slot
            rows, candidates, free = rows[keep], candidates[keep], free[keep]
            first = free.argmax(1)
            complete[rows[~free.any(1)]] = False
            centres[rows, slot] = candidates[np.arange(len(rows)), first]
        offset = candidates - centres[rows, slot].astype(np.float32)[:, None]
        free &= np.einsum("ijk,ijk->ij", offset, offset) > (distance[rows] ** 2).astype(np.float32)[:, None]
    return centres, complete
