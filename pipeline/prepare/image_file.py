"""How one image is read, of a file or of bytes: the same for every set that is made of images.

    Transparency is dropped, as torchvision does: the colour that stands under it counts.
    An EXIF orientation is not applied: pixels are read as they are stored.
    Of an animation and of a file with several pages the first picture is read.
    Of 16 bits per channel the upper 8 are kept.

32 bits per channel are refused: nothing says which value is white.
"""

import os
import struct
import zlib
from io import BytesIO

import numpy as np
from PIL import Image, UnidentifiedImageError

from pipeline.prepare.source import fit_square

ENDINGS = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff", ".gif")
DAMAGE = (OSError, SyntaxError, ValueError, EOFError, struct.error, zlib.error, Image.DecompressionBombError)
"""What Pillow raises on a file that is no image, or half of one."""


def read_square(file: str | BytesIO, size: int) -> np.ndarray:
    """The image as (size, size, 3) uint8, see `fit_square`. Raises one of DAMAGE where it cannot be read."""
    with Image.open(file) as image:
        if image.mode.startswith("I;16"):
            return fit_square(Image.fromarray((np.asarray(image) >> 8).astype(np.uint8)), size)
        if image.mode.startswith(("I", "F")):
            raise ValueError(f"mode {image.mode}: 32 bits per channel")
        if min(image.size) > 2 * size:
            # Lets the JPEG decoder skip detail, down to twice the size that is kept.
            image.draft("RGB", (2 * size, 2 * size))
        return fit_square(image, size)


def printable(path: str) -> str:
    """A path as text: bytes that are no UTF-8 as escapes."""
    return os.fsencode(path).decode("utf-8", "backslashreplace")


def describe_damage(path: str, error: Exception) -> str:
    """`path` and in a few words why it could not be read."""
    if isinstance(error, UnidentifiedImageError):
        reason = "not an image"
    elif isinstance(error, OSError) and error.strerror:
        reason = error.strerror
    else:
        reason = " ".join(str(error).split()) or type(error).__name__
    return f"{printable(path)} ({reason})"
