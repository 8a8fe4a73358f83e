"""Which sets a run asks for, and the table of functions that make each of them."""

import os
from collections.abc import Callable
from pathlib import Path

from pipeline.params import Params
from pipeline.params.embed import split_entry
from pipeline.prepare.cifar import cifar_source
from pipeline.prepare.clevr import clevr_source
from pipeline.prepare.folder import folder_source
from pipeline.prepare.scenes.source import scenes_source
from pipeline.prepare.source import Request, Source

SOURCES: dict[str, Callable[[Request], Source]] = {  # the names of pipeline.params.registry.DATA_SETS
    "scenes": scenes_source,
    "cifar10": cifar_source,
    "cifar100": cifar_source,
    "folder": folder_source,
    "clevr": clevr_source,
}


def requests(params: Params, root: Path) -> list[Request]:
    """Every set to prepare, each once: data.name, then those of embed.sets."""
    data = params.data
    paths = {data.name: data.root}
    for name, path in map(split_entry, params.embed.sets):
        paths.setdefault(name, Path(path) if path else None)
    # Under runs/, not artifacts/: DVC deletes a stage's outputs, and a download should outlive that.
    downloads = Path(os.environ.get("RUNS_DIR") or root / "runs") / "downloads"
    return [
        Request(
            name=name,
            path=root / path.expanduser() if path else None,
            data=data,
            downloads=downloads,
            key="data.root" if name == data.name else "embed.sets",
        )
        for name, path in paths.items()
    ]


def open_source(request: Request) -> Source:
    """The source of a set; a name of the user's own is a folder of images.

    Raises InputError, which names the param and the file, where the set cannot be had.
    """
    return SOURCES.get(request.name, folder_source)(request)
