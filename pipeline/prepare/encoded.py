"""Images that lie as bytes inside other files: rows of a table, members of an archive."""

from collections.abc import Sequence
from io import BytesIO

import numpy as np

from pipeline.files import InputError
from pipeline.prepare.image_file import DAMAGE, describe_damage, printable, read_square
from pipeline.prepare.source import Chunk, Request

TEST_NAMES = ("test", "val", "valid", "validation")  # of the split to score on: the first that is there


def decode(
    items: Sequence[tuple[str, bytes]], labels: dict[str, np.ndarray], image_size: int, max_pixels: int
) -> Chunk:
    """Read images, each a name and its bytes, as folder.decode reads files. labels: of each image."""
    images, kept, broken = [], [], []
    for row, (name, content) in enumerate(items):
        try:
            images.append(read_square(BytesIO(content), image_size, max_pixels))
        except DAMAGE as error:
            broken.append(describe_damage(name, error))
        else:
            kept.append(row)
    return Chunk(
        images=np.array(images, np.uint8).reshape(-1, image_size, image_size, 3),
        labels={name: values[kept] for name, values in labels.items()},
        paths=[printable(items[row][0]) for row in kept],
        broken=tuple(broken),
    )


def missing(request: Request, error: ModuleNotFoundError) -> InputError:
    """What to do where the library of an optional extra is missing; an extra of the project has its name."""
    return InputError(f"{request.key}: {request.name} needs {error.name}: uv pip install {error.name}")
