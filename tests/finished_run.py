"""A small finished run, written by the stages themselves: what the tests of contracts and report read."""

import shutil
from pathlib import Path
from typing import Any, NamedTuple

from conftest import SMALL, default_tree, override

from pipeline.params import Params
from stages import embed, interpret, prepare, pretrain, probe, twin

TINY: dict[str, Any] = SMALL | {
    "data.scenes.num_train": 300,
    "data.scenes.num_test": 120,
    "sparsity.groups": 4,
    "sparsity.latent_dim": 6,
    "pretrain.monitor_images": 100,
    "embed.token_images": 40,
    "embed.corrupted_images": 40,
    "probe.labels": ["count", "shape", "orientation", "distance", "patch_object"],
    "probe.l2": [1e-3, 1e-1],
    "probe.knn_neighbors": [3, 5],
    "probe.low_shot.fractions": [0.2],
    "probe.low_shot.draws": 2,
    "probe.sgd.epochs": 1,
    "probe.sgd.learning_rates": [0.3],
    "interpret.subsamples": 3,
    "interpret.noise": [0.1],
    "interpret.object_images": 20,
    "embed.sae.steps": 5,
}
COMPARED = "lambda-0"  # the folder of the run that interpret.compare names


class FinishedRun(NamedTuple):
    """The folder of a run, and its params."""

    root: Path
    params: Params


def finish(root: Path) -> FinishedRun:
    """Run every stage but `report` below `root`, beside a run with lambda 0 to compare with."""
    other = root / COMPARED
    dense = Params.model_validate(override(default_tree(), TINY | {"sparsity.lambda": 0.0}))
    compared = {"interpret.compare": [str(other / "artifacts")]}
    params = Params.model_validate(override(default_tree(), TINY | compared))
    prepare.main(params, root)
    shutil.copytree(root / "artifacts/data", other / "artifacts/data")
    for run, folder in ((dense, other), (params, root)):
        pretrain.main(run, folder)
        twin.main(run, folder)
        embed.main(run, folder)
    probe.main(params, root)
    interpret.main(params, root)
    return FinishedRun(root, params)
