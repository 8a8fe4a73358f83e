"""The names that params.yaml may choose from, where each name stands for code in a room of its own.

A new data set: one line in DATA_SETS, a module in pipeline/prepare, and its line in prepare/sources.py.
A new sparsity method: one name in SPARSITY_METHODS, and a module in pipeline/sparsity.
"""

from typing import Literal

Origin = Literal["generated", "downloaded", "folder"]
"""What a data set is made from. generated: nothing, so it takes no path. downloaded: its archive, or an
existing copy where a path is given. folder: files of the user, so it needs a path."""

DATA_SETS: dict[str, Origin] = {
    "scenes": "generated",
    "cifar10": "downloaded",
    "cifar100": "downloaded",
    "folder": "folder",
    "clevr": "folder",
}

VARIANTS = ("textured", "factors", "mixed", "single")  # of generated scenes

SPARSITY_METHODS = ("none", "oi_vae", "group_lasso", "l1", "rdmreg", "topk")

REGULARIZERS = ("none", "vicreg", "sigreg", "independent_groups")


def origin(name: str) -> Origin:
    """What the set is made from. A name that DATA_SETS lacks is one that a user gave to a folder."""
    return DATA_SETS.get(name, "folder")


def sets_without_path() -> list[str]:
    """Names of the sets that need no path."""
    return [name for name in DATA_SETS if origin(name) != "folder"]
