"""What one section demands of another. A check runs only where all the sections that it reads are valid."""

from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple

from pipeline.params.base import Section
from pipeline.params.data import DataParams
from pipeline.params.embed import EmbedParams, split_entry
from pipeline.params.masking import MaskingParams
from pipeline.params.model import ModelParams
from pipeline.params.registry import DATA_SETS, origin
from pipeline.params.regularizer import RegularizerParams
from pipeline.params.sparsity import SparsityParams


class Mistake(NamedTuple):
    """path: the keys that lead to a param. message: what follows its dotted path in a line."""

    path: tuple[str | int, ...]
    message: str


def mistakes(sections: Mapping[str, Section]) -> list[Mistake]:
    """Every mistake between the given sections, which are valid by themselves."""
    return [
        mistake
        for names, check in CHECKS
        if all(name in sections for name in names)
        for mistake in check(*(sections[name] for name in names))
    ]


def sets_have_paths(data: DataParams, embed: EmbedParams) -> Iterator[Mistake]:
    """data.name has its path in data.root; every other set made of a user's files has one in embed.sets."""
    for index, (name, path) in enumerate(map(split_entry, embed.sets)):
        where = ("embed", "sets", index)
        if name == data.name and path:
            yield Mistake(where, f"{name} is data.name; give {path} another name")
        elif name != data.name and name in DATA_SETS and origin(name) == "folder" and not path:
            yield Mistake(where, f"{name} needs a path, {name}:PATH")


def patches_fit(data: DataParams, model: ModelParams) -> Iterator[Mistake]:
    """Patches tile the image, and there are at least two in a row."""
    size, patch = data.image_size, model.patch_size
    if size % patch:
        yield Mistake(("model", "patch_size"), f"must divide data.image_size ({size}), got {patch}")
    elif size == patch:
        yield Mistake(
            ("model", "patch_size"), f"must leave at least 2x2 patches of {size} pixels, got {patch}"
        )


def groups_fit(
    model: ModelParams, sparsity: SparsityParams, regularizer: RegularizerParams
) -> Iterator[Mistake]:
    """Groups have equal sizes. A timm model's width is known only when it is built."""
    dim, groups = model.embed_dim, sparsity.groups
    independent = regularizer.name == "independent_groups"
    if dim % groups and (sparsity.method != "none" or independent) and model.name is None:
        yield Mistake(("sparsity", "groups"), f"must divide model.embed_dim ({dim}), got {groups}")
    if independent and sparsity.assignment == "learned":
        yield Mistake(
            ("sparsity", "assignment"),
            "must be contiguous where regularizer.name is independent_groups, which makes the groups itself",
        )


def masks_fit(data: DataParams, model: ModelParams, masking: MaskingParams) -> Iterator[Mistake]:
    """multiblock: every target size fits in the grid, as often as asked for, and leaves enough context."""
    grid = data.image_size // model.patch_size
    if masking.mode != "multiblock" or any(patches_fit(data, model)):
        return
    num_targets, num_context = masking.num_targets, masking.num_context
    for rows, columns in masking.target_sizes:
        if rows > grid or columns > grid:
            yield Mistake(
                ("masking", "target_sizes"),
                f"a block of {rows}x{columns} patches does not fit in the {grid}x{grid} grid",
            )
            continue
        places = (grid - rows + 1) * (grid - columns + 1)
        if num_targets > places:
            yield Mistake(
                ("masking", "num_targets"),
                f"a block of {rows}x{columns} has {places} places in the {grid}x{grid} grid, "
                f"got {num_targets}",
            )
        free = grid * grid - num_targets * rows * columns
        if num_context > free:
            yield Mistake(
                ("masking", "num_context"),
                f"{num_targets} targets of {rows}x{columns} leave {max(free, 0)} of {grid * grid} "
                f"patches free, got {num_context}",
            )


CHECKS: tuple[tuple[tuple[str, ...], Callable[..., Iterator[Mistake]]], ...] = (
    (("data", "embed"), sets_have_paths),
    (("data", "model"), patches_fit),
    (("model", "sparsity", "regularizer"), groups_fit),
    (("data", "model", "masking"), masks_fit),
)
