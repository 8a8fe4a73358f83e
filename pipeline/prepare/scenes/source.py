"""Generated scenes as a source of images."""

from collections.abc import Iterator
from typing import Any

from pipeline.files import ParamsError
from pipeline.prepare.scenes import render
from pipeline.prepare.source import Chunk, Request, Source, chunk_size

TEST_CHUNKS = 10**6  # number of the test split's first chunk: no chunk is in both splits


def source(request: Request) -> Source:
    """Generated scenes; chunk k depends on (data.seed, k) only. Raises ParamsError on an unfit image_size."""
    data = request.data
    counts = {"train": data.scenes.num_train, "test": data.scenes.num_test}
    size, step = data.image_size, chunk_size(data.image_size)

    def tasks(split: str) -> Iterator[tuple[Any, ...]]:
        first_chunk = TEST_CHUNKS if split == "test" else 0
        for number, start in enumerate(range(0, counts[split], step)):
            num_images = min(step, counts[split] - start)
            yield data.scenes.variant, num_images, size, data.seed, first_chunk + number

    try:
        labels = render.label_specs(data.scenes.variant, size)
    except ValueError as error:
        raise ParamsError(f"data.image_size: {error}") from None
    return Source(labels, counts, _render, tasks)


def _render(variant: str, num_images: int, image_size: int, seed: int, chunk: int) -> Chunk:
    rendered = render.render(variant, num_images, image_size, seed, chunk)
    cells = {"foreground": rendered.patch_foreground, "object": rendered.patch_object}
    return Chunk(rendered.images, rendered.labels, cells)
