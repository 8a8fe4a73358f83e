"""The report's tiles of images and masks, as arrays and PNG bytes.

Legend: s side of an image, t side of a tile, both in pixels; grid: patches on a side.
"""

import io
from collections.abc import Sequence

import numpy as np
from PIL import Image

from pipeline.report.figures import DARK, LIGHT

INSET = 3  # pixels between the outlines of blocks that coincide


def tile(image: np.ndarray, grid: int) -> np.ndarray:
    """An image (s, s, 3) as (t, t, 3) uint8, t <= 96 and a multiple of `grid`; small pixels stay sharp."""
    side = grid * max(96 // grid, 1)  # 32 tiles of noise still make a page below 1.5 MB
    method = Image.Resampling.NEAREST if side >= image.shape[0] else Image.Resampling.LANCZOS
    return np.asarray(Image.fromarray(np.ascontiguousarray(image)).resize((side, side), method))


def context_tile(image: np.ndarray, context: np.ndarray, grid: int) -> np.ndarray:
    """The tile with every patch greyed out that the context encoder does not see."""
    visible = np.zeros(grid * grid, dtype=bool)
    visible[context] = True
    return _fade(tile(image, grid), visible, grid, strength=0.9)


def target_tile(image: np.ndarray, targets: np.ndarray, grid: int) -> np.ndarray:
    """The tile with the targets (blocks, patches) in full and an outline around each block."""
    hidden = np.zeros(grid * grid, dtype=bool)
    hidden[targets.ravel()] = True
    drawn = _fade(tile(image, grid), hidden, grid, strength=0.65)
    for at, block in enumerate(targets):
        inside = np.zeros((grid, grid), dtype=bool)
        inside.ravel()[block] = True
        inside = np.kron(inside, np.ones((len(drawn) // grid,) * 2, dtype=bool))
        for _ in range(INSET * at):  # blocks may coincide, and each outline should still be seen
            inside = _shrink(inside)
        edge = inside & ~_shrink(_shrink(inside))
        drawn[edge] = rgb(DARK[("encoder", "pixels", "third", "fourth")[at % 4]])
    return drawn


def _shrink(inside: np.ndarray) -> np.ndarray:
    padded = np.pad(inside, 1)
    return inside & padded[:-2, 1:-1] & padded[2:, 1:-1] & padded[1:-1, :-2] & padded[1:-1, 2:]


def _fade(tiles: np.ndarray, kept: np.ndarray, grid: int, strength: float) -> np.ndarray:
    cells = np.kron(kept.reshape(grid, grid), np.ones((len(tiles) // grid,) * 2, dtype=bool))
    grey = tiles.mean(axis=2, keepdims=True)
    faded = (1 - strength) * grey + strength * np.array(rgb("#9aa0a8"))
    return np.where(cells[..., None], tiles, faded.round()).astype(np.uint8)


def rgb(colour: str) -> tuple[int, int, int]:
    """ "#0a5fc4" -> (10, 95, 196)."""
    return int(colour[1:3], 16), int(colour[3:5], 16), int(colour[5:7], 16)


def opaque(image: np.ndarray) -> np.ndarray:
    """An image (s, s, 3) or (s, s, 4) with its opacity, (s, s, 4)."""
    return image if image.shape[2] == 4 else np.dstack([image, np.full(image.shape[:2], 255, np.uint8)])


def sheet(rows: Sequence[Sequence[np.ndarray]], gap: int = 4) -> np.ndarray:
    """Tiles of one size in rows and columns, (height, width, 4); nothing between them."""
    height, width = rows[0][0].shape[:2]
    longest = max(len(row) for row in rows)
    canvas = np.zeros((len(rows) * (height + gap) - gap, longest * (width + gap) - gap, 4), dtype=np.uint8)
    for down, row in enumerate(rows):
        for across, image in enumerate(row):
            top, left = down * (height + gap), across * (width + gap)
            canvas[top : top + height, left : left + width] = opaque(image)
    return canvas


def jpeg(image: np.ndarray) -> bytes:
    """JPEG bytes of an image (height, width, 3 or 4), on a light ground: a tenth of a PNG's."""
    buffer = io.BytesIO()
    picture = Image.fromarray(opaque(image))
    ground = Image.new("RGBA", picture.size, LIGHT["ground"])
    Image.alpha_composite(ground, picture).convert("RGB").save(buffer, format="JPEG", quality=82)
    return buffer.getvalue()


def webp(image: np.ndarray) -> bytes:
    """WebP bytes of an image (height, width, 3 or 4); a small one is a third of a JPEG's."""
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, format="WEBP", quality=78, alpha_quality=100)
    return buffer.getvalue()


def small(image: np.ndarray, side: int) -> np.ndarray:
    """An image (s, s, 3) resized to (side, side, 3)."""
    method = Image.Resampling.LANCZOS
    return np.asarray(Image.fromarray(np.ascontiguousarray(image)).resize((side, side), method))


def png(image: np.ndarray) -> bytes:
    """PNG bytes of an image (height, width, 3 or 4)."""
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, format="PNG", optimize=True)
    return buffer.getvalue()
