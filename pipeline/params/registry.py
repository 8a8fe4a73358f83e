"""The names that params.yaml may choose from, where each name stands for code in a room of its own.

A new data set is a line of DATA_SETS and a module in pipeline/prepare.
A new sparsity method is a name in SPARSITY_METHODS and a module in pipeline/sparsity.
"""

from typing import Literal, NamedTuple

Origin = Literal["generated", "downloaded", "folder"]
"""What a data set is made from. generated: nothing, so it takes no path. downloaded: its archive, or an
existing copy where a path is given. folder: files of the user, so it needs a path."""


class DataSet(NamedTuple):
    """module: of pipeline/prepare, with the function `source` that pipeline.prepare.sources calls."""

    origin: Origin
    module: str


DATA_SETS = {
    "scenes": DataSet("generated", "scenes.source"),
    "cifar10": DataSet("downloaded", "cifar"),
    "cifar100": DataSet("downloaded", "cifar"),
    "folder": DataSet("folder", "folder"),
    "clevr": DataSet("folder", "clevr"),
    "huggingface": DataSet("folder", "huggingface"),
    "webdataset": DataSet("folder", "webdataset"),
}

VARIANTS = ("textured", "factors", "mixed", "single", "clevr_like")  # of generated scenes

OI_VAES = ("oi_vae", "oi_vae_blocks")
SPARSITY_METHODS = (
    "none",
    *OI_VAES,
    "group_lasso",
    "l1",
    "rdmreg",
    "topk",
)

REGULARIZERS = ("none", "vicreg", "sigreg", "independent_groups")


def data_set(name: str) -> DataSet:
    """The set of that name. A name that DATA_SETS lacks is one that a user gave to a folder."""
    return DATA_SETS.get(name, DATA_SETS["folder"])


def origin(name: str) -> Origin:
    """What the set is made from."""
    return data_set(name).origin


def sets_without_path() -> list[str]:
    """Names of the sets that need no path."""
    return [name for name in DATA_SETS if origin(name) != "folder"]
