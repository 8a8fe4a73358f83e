"""Which runs can train together, as one batch of weights."""

import json

from pipeline.files import ParamsError
from pipeline.params import Params

OWN = (("sparsity", "lambda"), ("pretrain", "seed"))  # what each run may have for itself


def kind(params: Params) -> str | None:
    """Runs of one kind can train together; None for a run that has to train alone.

    Alone: with learned groups, which are found one run at a time, and over several processes. Masks of one
    shape for all are needed too: where a step's shape is drawn, only runs of one seed are of one kind.
    """
    if params.sparsity.assignment == "learned" or params.runtime.processes > 1:
        return None
    tree = params.model_dump(mode="json", by_alias=True)
    own = [tree[section].pop(key) for section, key in OWN]
    areas = {rows * columns for rows, columns in params.masking.target_sizes}
    shared_seed = own[1] if params.masking.mode == "ijepa" or len(areas) > 1 else None
    sections = ("data", "augment", "model", "masking", "objective", "regularizer", "sparsity", "pretrain")
    return json.dumps([[tree[section] for section in sections], shared_seed], sort_keys=True)


def check(runs: list[Params]) -> None:
    """Raises ParamsError where these runs cannot train together."""
    kinds = {kind(params) for params in runs}
    if kinds == {None} or None in kinds:
        raise ParamsError("sparsity.assignment: learned groups, and runtime.processes above 1, train alone")
    if len(kinds) > 1:
        raise ParamsError(
            "runs that train together may differ in sparsity.lambda and pretrain.seed alone (and in the seed "
            "only where all masks have one shape)"
        )
