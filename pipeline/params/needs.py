"""What params ask of a machine: room on its disk and in its memory, files, and extra packages.

What is not here is refused before any training. Bytes are estimates from below, made without torch: what
passes may still be too large, what is refused is.
"""

import importlib.util
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Literal, NamedTuple

from pipeline.files import ParamsError
from pipeline.layout import EMBEDDINGS
from pipeline.params.embed import split_entry
from pipeline.params.interpret import InterpretParams
from pipeline.params.registry import OI_VAES
from pipeline.params.tree import Params

FLOAT = 4  # bytes
TRAINED = 4 * FLOAT  # of a trained weight: itself, its gradient and both moments of Adam
UNITS = ("B", "kB", "MB", "GB", "TB", "PB", "EB")


class Need(NamedTuple):
    """path: dotted, of the param that asks for the bytes."""

    path: str
    num_bytes: int
    of: Literal["disk", "memory"]


def check(params: Params, folder: Path) -> None:
    """Raises ParamsError where params ask for more than the whole disk of `folder`, or the whole memory, or
    for what is not here.

    folder: the project's; paths start there.
    """
    has = {"disk": shutil.disk_usage(folder).total, "memory": _memory()}
    lines = [
        f"{path}: needs {words(num_bytes)} of {of} or more, this machine has {words(has[of])}"
        for path, num_bytes, of in needs(params)
        if num_bytes > has[of]
    ]
    lines += absent(params, folder)
    if lines:
        raise ParamsError("\n".join(lines))


def needs(params: Params) -> Iterator[Need]:
    """The large ones. Only generated scenes have a number of images that params know."""
    data, model, sparsity = params.data, params.model, params.sparsity
    pixels = data.image_size**2 * 3
    if "scenes" in (data.name, *(split_entry(entry)[0] for entry in params.embed.sets)):
        yield Need("data.scenes.num_train", data.scenes.num_train * pixels, "disk")
        yield Need("data.scenes.num_test", data.scenes.num_test * pixels, "disk")
        yield Need("probe.bootstrap", params.probe.bootstrap * data.scenes.num_test, "memory")
    micro_batch = params.pretrain.batch_size // params.pretrain.accumulation
    yield Need("pretrain.batch_size", micro_batch * pixels * FLOAT // params.runtime.processes, "memory")
    width = model.predictor.embed_dim
    yield Need("model.predictor.embed_dim", model.predictor.depth * 12 * width**2 * TRAINED, "memory")
    if model.name is not None:
        return
    dim = model.embed_dim
    weights = model.depth * (4 + 2 * model.mlp_ratio) * dim**2
    yield Need("model.embed_dim", int(weights) * (TRAINED + FLOAT), "memory")  # and the target encoder
    if sparsity.method in (*OI_VAES, "topk"):
        w = sparsity.groups * sparsity.generator_width * sparsity.latent_dim
        in_module = 2 * dim * sparsity.latent_dim + (w if sparsity.method in OI_VAES else 0)
        yield Need("sparsity.latent_dim", in_module * TRAINED, "memory")


def absent(params: Params, folder: Path) -> Iterator[str]:
    """A line for each file, run and package that a later stage would miss."""
    weights = params.embed.reference.weights
    if weights is not None and not (folder / weights.expanduser()).is_file():
        yield f"embed.reference.weights: {weights}: no such file"
    for run in params.interpret.compare:
        if not (folder / run / EMBEDDINGS.name).is_dir():
            yield f"interpret.compare: {run}: no folder artifacts/ of a run, which has {EMBEDDINGS.name}/"
    yield from without_umap(params.interpret)


def without_umap(params: InterpretParams) -> Iterator[str]:
    """A line where interpret.umap asks for umap-learn and it is not installed."""
    if params.umap and importlib.util.find_spec("umap") is None:
        yield "interpret.umap: needs umap-learn: uv pip install umap-learn"


def words(num_bytes: float) -> str:
    """`3.4 TB`."""
    unit = 0
    while num_bytes >= 1000 and unit < len(UNITS) - 1:
        num_bytes, unit = num_bytes / 1000, unit + 1
    return f"{num_bytes:.3g} {UNITS[unit]}"


def _memory() -> int:
    """Bytes of the machine's memory."""
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
