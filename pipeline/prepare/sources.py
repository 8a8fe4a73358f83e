"""Which sets a run asks for, and what makes each of them: the function `source` of the set's module."""

import importlib
import os
from pathlib import Path

from pipeline.files import ParamsError
from pipeline.params import Params
from pipeline.params.embed import split_entry
from pipeline.params.registry import data_set
from pipeline.prepare.source import MakeSource, Request, Source


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
    return find_source(request.name)(request)


def find_source(name: str) -> MakeSource:
    """The function `source` of the module that the registry names for the set.

    Raises ParamsError naming the file where it is missing, or has no such function.
    """
    module = data_set(name).module
    module_name, file = f"{__package__}.{module}", f"pipeline/prepare/{module.replace('.', '/')}.py"
    try:
        source = getattr(importlib.import_module(module_name), "source", None)
    except ModuleNotFoundError as error:
        if error.name != module_name:
            raise
        raise ParamsError(f"the set {name} needs a file {file}, which is not there") from None
    if source is None:
        raise ParamsError(f"{file} must define a function source(request), which makes the set {name}")
    return source
