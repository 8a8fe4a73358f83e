"""Pictures of what groups respond to: their strongest images, their energy over patches, their correlations.

Legend: s side of an image, t side of a tile, both in pixels; grid: patches on a side.
"""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from PIL import Image

from pipeline.report.figures import LIGHT
from pipeline.report.images import rgb, sheet

TILE = 28  # pixels, of a strip's images
GAP = 12  # pixels between a strip's two halves
HUES = ("encoder", "pixels", "third", "fourth", "fifth", "random")
CORRELATION_SIDE = 384  # pixels


def strip(images: Mapping[int, np.ndarray], top: Sequence[int], random: Sequence[int]) -> np.ndarray:
    """A row of small tiles: a group's strongest images, then as many at random."""
    rows = [[_small(images[number]) for number in part] for part in (top, random)]
    parts = [sheet([row], gap=2) for row in rows if row]
    space = np.empty((TILE, GAP, 3), dtype=np.uint8)
    space[:] = rgb(LIGHT["ground"])
    return np.concatenate([parts[0], space, *parts[1:]], axis=1)


def _small(image: np.ndarray) -> np.ndarray:
    method = Image.Resampling.LANCZOS
    return np.asarray(Image.fromarray(np.ascontiguousarray(image)).resize((TILE, TILE), method))


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
    return _energy_map(patches.loc[patches["best"], "energy"].to_numpy(), grid, side)


def _number_map(numbers: np.ndarray, grid: int, side: int) -> np.ndarray:
    """A colour for every number, the ground for 0; numbers past the hues are lighter ones of the same."""
    ground = np.array(rgb(LIGHT["line"]), dtype=float)
    colours = [ground]
    for number in range(int(numbers.max(initial=0))):
        hue = np.array(rgb(LIGHT[HUES[number % len(HUES)]]), dtype=float)
        fade = 0.3 * (number // len(HUES))
        colours.append(hue + (255 - hue) * min(fade, 0.85))
    return _enlarge(np.array(colours)[numbers].reshape(grid, grid, 3), side)


def _energy_map(values: np.ndarray, grid: int, side: int) -> np.ndarray:
    """The larger a patch's number among those of its image, the darker."""
    low, high = float(values.min()), float(values.max())
    share = ((values - low) / (high - low) if high > low else np.zeros(len(values)))[:, None]
    ground, full = np.array(rgb(LIGHT["ground"])), np.array(rgb(LIGHT["encoder"]))
    return _enlarge((ground + share * (full - ground)).reshape(grid, grid, 3), side)


def _enlarge(cells: np.ndarray, side: int) -> np.ndarray:
    return np.kron(cells, np.ones((side // len(cells), side // len(cells), 1))).round().astype(np.uint8)


def correlation_picture(percent: np.ndarray, groups: np.ndarray) -> np.ndarray:
    """Features x features in the order of their groups: blue positive, orange negative; lines between groups
    where they leave room."""
    value = np.clip(percent / 100, -1, 1)[..., None]
    ground = np.array(rgb(LIGHT["ground"]), dtype=float)
    plus, minus = (np.array(rgb(LIGHT[name]), dtype=float) for name in ("encoder", "pixels"))
    colours = ground + np.abs(value) * (np.where(value > 0, plus, minus) - ground)
    scale = max(CORRELATION_SIDE // len(percent), 1)
    picture = _enlarge(colours, scale * len(percent))
    if scale > 1:
        for edge in np.flatnonzero(np.diff(groups)) + 1:
            picture[scale * edge - 1 : scale * edge] = picture[:, scale * edge - 1 : scale * edge] = rgb(
                LIGHT["line"]
            )
    return picture
