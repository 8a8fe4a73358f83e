"""How one image is read, of a file or of bytes: the same for every set that is made of images.

    Transparency is dropped, as torchvision does: the colour that stands under it counts.
    An EXIF orientation is not applied: pixels are read as they are stored.
    Of an animation and of a file with several pages the first picture is read.
    Of 16 bits per channel the upper 8 are kept.

32 bits per channel are refused: nothing says which value is white. So are pipes and devices, which could be
waited for without end, a format that no ending stands for, as Pillow hands some to other programs, and an
image of more than data.max_pixels.
"""

import logging
import os
import stat
import struct
import unicodedata
import warnings
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from io import BytesIO

import numpy as np
from PIL import Image, UnidentifiedImageError

from pipeline.prepare.source import fit_square

ENDINGS = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff", ".gif")
FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "TIFF", "GIF")
DAMAGE = (
    *(OSError, SyntaxError, ValueError, EOFError, struct.error, zlib.error),
    *(Image.DecompressionBombError, Image.DecompressionBombWarning),
)
"""What Pillow raises on a file that is no image, or half of one, or too large."""

CONFUSING = {*"\u2028\u2029\ufffe\uffff", *"\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"}
"""Ends of lines, what XML forbids, and what turns the direction of the text around it."""


def read_square(file: str | BytesIO, size: int, max_pixels: int) -> np.ndarray:
    """The image as (size, size, 3) uint8, see `fit_square`. Raises one of DAMAGE where it cannot be read."""
    with open_image(file, max_pixels) as image:
        if image.mode.startswith("I;16"):
            return fit_square(Image.fromarray((np.asarray(image) >> 8).astype(np.uint8)), size)
        if image.mode.startswith(("I", "F")):
            raise ValueError(f"mode {image.mode}: 32 bits per channel")
        if min(image.size) > 2 * size:
            # Lets the JPEG decoder skip detail, down to twice the size that is kept.
            image.draft("RGB", (2 * size, 2 * size))
        return fit_square(image, size)


@contextmanager
def open_image(file: str | BytesIO, max_pixels: int) -> Iterator[Image.Image]:
    """The opened image. Raises one of DAMAGE. What Pillow warns of is not shown: an image is read or not."""
    if isinstance(file, str) and not stat.S_ISREG(os.stat(file).st_mode):
        raise OSError("not a regular file")
    log = logging.getLogger("PIL")
    if not log.handlers:
        log.addHandler(logging.NullHandler())  # without any, Python prints what Pillow logs
    before = Image.MAX_IMAGE_PIXELS
    Image.MAX_IMAGE_PIXELS = max_pixels
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            image = Image.open(file, formats=FORMATS)
            with image, _silence() if image.format == "TIFF" else nullcontext():
                yield image
    finally:
        Image.MAX_IMAGE_PIXELS = before


@contextmanager
def _silence() -> Iterator[None]:
    """libtiff, which is C, writes its complaints to the process's stderr itself, and then raises as well."""
    stderr, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    try:
        yield
    finally:
        os.dup2(stderr, 2)
        os.close(stderr)
        os.close(nowhere)


def printable(path: str) -> str:
    """A path or a name as text of one line: control characters and bytes that are no UTF-8 as escapes."""
    return "".join(map(_escaped, path))


def _escaped(character: str) -> str:
    if "\udc80" <= character <= "\udcff":  # as Python reads a byte of a file name that is no UTF-8
        return f"\\x{ord(character) - 0xDC00:02x}"
    if unicodedata.category(character) in ("Cc", "Cs") or character in CONFUSING:
        return character.encode("unicode_escape").decode()
    return character


def names_in_short(names: Sequence[str], most: int = 5) -> str:
    """The first names, as text of one line."""
    return ", ".join(map(printable, names[:most])) + (", ..." if len(names) > most else "")


def describe_damage(path: str, error: Exception) -> str:
    """`path` and in a few words why it could not be read."""
    if isinstance(error, UnidentifiedImageError):
        reason = "not an image"
    elif isinstance(error, Image.DecompressionBombError | Image.DecompressionBombWarning):
        reason = "more pixels than data.max_pixels"
    elif isinstance(error, OSError) and error.strerror:
        reason = error.strerror
    else:
        reason = " ".join(str(error).split()) or type(error).__name__
    return f"{printable(path)} ({reason})"
