"""Pictures of groups: their strongest images, their energy over patches, the correlations of features.

What is not coloured is transparent, so that a picture stands on a light and on a dark page.
Legend: s side of an image, t side of a tile, both in pixels; grid: patches on a side.
"""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from pipeline.report.figures import LIGHT
from pipeline.report.images import rgb, sheet, small

TILE = 32  # pixels, of a strip's images
HUES = ("encoder", "pixels", "third", "fourth", "fifth", "random")
CORRELATION_SIDE = 384  # pixels


def strip(images: Mapping[int, np.ndarray], shown: Sequence[int]) -> np.ndarray:
    """A row of small tiles."""
    return sheet([[small(images[number], TILE) for number in shown]], gap=2)


def object_map(patches: pd.DataFrame, grid: int, side: int) -> np.ndarray:
    """The masks of the objects of one image, from its rows of interpret_patches.csv."""
    return _number_map(patches.groupby("patch")["object"].first().to_numpy(), grid, side)


def strongest_map(patches: pd.DataFrame, grid: int, side: int) -> np.ndarray:
    """The group that is strongest at each patch, from the rows of one image and one code."""
    energies = patches.pivot(index="patch", columns="group", values="energy").to_numpy()
    return _number_map(energies.argmax(1) + 1, grid, side)


def cluster_map(patches: pd.DataFrame, grid: int, side: int) -> np.ndarray:
    """The clusters of one image, from its rows of interpret_clusters.csv and one code."""
    return _number_map(patches.sort_values("patch")["cluster"].to_numpy() + 1, grid, side)


def best_map(patches: pd.DataFrame, grid: int, side: int) -> np.ndarray:
    """The energy of the group that tells objects best, from the rows of one image and one code."""
    return share_map(patches.loc[patches["best"], "energy"].to_numpy(), grid, side)


def _number_map(numbers: np.ndarray, grid: int, side: int) -> np.ndarray:
    """A colour for every number, none for 0; numbers past the hues are fainter ones of the same."""
    colours = [(0, 0, 0, 0)]
    for number in range(int(numbers.max(initial=0))):
        opacity = 1 - min(0.3 * (number // len(HUES)), 0.85)
        colours.append((*rgb(LIGHT[HUES[number % len(HUES)]]), round(255 * opacity)))
    return enlarge(np.array(colours)[numbers].reshape(grid, grid, 4), side)


def share_map(values: np.ndarray, grid: int, side: int) -> np.ndarray:
    """The larger a patch's number among those of its image, the stronger its colour."""
    low, high = float(values.min()), float(values.max())
    share = (values - low) / (high - low) if high > low else np.zeros(len(values))
    return enlarge(_shaded(share, np.broadcast_to(rgb(LIGHT["encoder"]), (len(values), 3))), side, grid)


def correlation_picture(percent: np.ndarray, groups: np.ndarray) -> np.ndarray:
    """Features x features in the order of their groups: blue positive, orange negative; lines between groups
    where they leave room."""
    value = np.clip(percent / 100, -1, 1)
    plus, minus = (np.array(rgb(LIGHT[name])) for name in ("encoder", "pixels"))
    colours = np.where(value[..., None] > 0, plus, minus)
    scale = max(CORRELATION_SIDE // len(percent), 1)
    picture = enlarge(_shaded(np.abs(value), colours), scale * len(percent))
    if scale > 1:
        for edge in np.flatnonzero(np.diff(groups)) + 1:
            line = (*rgb(LIGHT["random"]), 110)
            picture[scale * edge - 1 : scale * edge] = picture[:, scale * edge - 1 : scale * edge] = line
    return picture


def _shaded(share: np.ndarray, colours: np.ndarray) -> np.ndarray:
    return np.concatenate([colours, 255 * share[..., None]], axis=-1)


def enlarge(cells: np.ndarray, side: int, grid: int | None = None) -> np.ndarray:
    """Cells (grid, grid, channels), or flat with their `grid` given, as squares of an image `side` high."""
    if grid is not None:
        cells = cells.reshape(grid, grid, -1)
    return np.kron(cells, np.ones((side // len(cells), side // len(cells), 1))).round().astype(np.uint8)
