"""Labels of single patches, from the cells of a set that labels them.

A set stores what objects cover in cells of CELL pixels. A patch is probed for `patch_foreground`, the
fraction of it that objects cover, and for `patch_object`, whether they cover more than half of it. The number
of an object is no label: it is the order of drawing, which means nothing across images.

Legend: images, cells of a side, grid = patches of a side.
"""

import numpy as np
import pandas as pd
from jaxtyping import UInt8

from pipeline.data.labels import Label
from pipeline.data.store import CELL

SOURCE = "foreground"  # the cells' name in the store: the covered fraction times 255
SPECS = {
    "patch_foreground": Label("real", unit="fraction"),
    "patch_object": Label("categorical", ("background", "object")),
}


def fits(patch_size: int) -> bool:
    """Whether patches are made of whole cells, or cells of whole patches."""
    return patch_size % CELL == 0 or CELL % patch_size == 0


def patch_labels(cells: UInt8[np.ndarray, "images cells cells"], patch_size: int) -> pd.DataFrame:
    """One row per patch, image by image, in raster order: the columns of SPECS."""
    covered = cells.astype(np.float32) / 255
    if patch_size >= CELL:
        step = patch_size // CELL
        images, side = len(covered), covered.shape[1] // step
        covered = covered.reshape(images, side, step, side, step).mean((2, 4))
    else:
        covered = covered.repeat(CELL // patch_size, 1).repeat(CELL // patch_size, 2)
    flat = covered.ravel()
    return pd.DataFrame({"patch_foreground": flat, "patch_object": (flat > 0.5).astype(np.int16)})
