"""Which runs can train together, as one batch of weights."""

import json

from pipeline.files import ParamsError
from pipeline.graph import read_graph, tracked_values
from pipeline.params import Params

FREE = ("sparsity.lambda", "pretrain.seed")  # what each run may have for itself


def kind(params: Params) -> str | None:
    """Runs of one kind can train together; None for a run that has to train alone.

    A run trains alone with learned groups, which are assigned one run at a time, and over several processes.
    Runs of one kind agree in all other params that the stage `pretrain` tracks. They agree in those of
    `prepare` too, as they read one prepared set. Their masks have one shape at every step: where the shape is
    drawn, runs of one kind have one seed.
    """
    if params.sparsity.assignment == "learned" or params.runtime.processes > 1:
        return None
    tree = params.model_dump(mode="json", by_alias=True)
    free = {path: _remove(tree, path) for path in FREE}
    areas = {rows * columns for rows, columns in params.masking.target_sizes}
    draws_shapes = params.masking.mode == "ijepa" or len(areas) > 1
    shared_seed = free["pretrain.seed"] if draws_shapes else None
    graph = read_graph()
    shared = tracked_values(tree, (*graph["prepare"]["params"], *graph["pretrain"]["params"]))
    return json.dumps([shared, shared_seed], sort_keys=True)


def check(runs: list[Params]) -> None:
    """Raises ParamsError where these runs cannot train together."""
    kinds = {kind(params) for params in runs}
    if None in kinds:
        raise ParamsError("sparsity.assignment: learned groups, and runtime.processes above 1, train alone")
    if len(kinds) > 1:
        raise ParamsError(
            "runs that train together may differ in sparsity.lambda and pretrain.seed alone (and in the seed "
            "only where all masks have one shape)"
        )


def _remove(tree: dict[str, object], path: str) -> object:
    section, key = path.split(".")
    values = tree[section]
    assert isinstance(values, dict)
    return values.pop(key)
