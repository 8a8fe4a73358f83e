"""Settings of the study, and the params of a run of one.

Without a stack `python -m pipeline run --set ... --set pretrain.seed=N` gives the same run.
"""

from pathlib import Path
from typing import Any, NamedTuple

from pipeline.orchestration.sweeps.grid import set_params
from pipeline.params import Params
from pipeline.params.reader import read_tree, validate

TWIN = {"sparsity.method": "none", "regularizer.name": "vicreg"}
PHOTOGRAPHS = {  # the recipe of the preset cifar10-folder
    "masking.num_targets": 2,
    "masking.num_context": 8,
    "pretrain.learning_rate": 0.003,
}
SETS: dict[str, dict[str, Any]] = {
    "scenes": {},
    "cifar100": {"data.name": "cifar100"} | PHOTOGRAPHS,
    "cifar10": {"data.name": "cifar10"} | PHOTOGRAPHS,
    "clevr_like": {"data.scenes.variant": "clevr_like"},
}

RUNGS: dict[str, dict[str, Any]] = {  # of the ladder of predictors; the default's has two blocks
    "linear": {"model.predictor.name": "linear"},
    "mlp": {"model.predictor.name": "mlp"},
    "1-block": {"model.predictor.depth": 1},
    "4-blocks": {"model.predictor.depth": 4},
}

# four times the steps, and a target that follows a quarter as fast
SLOW = {"pretrain.steps": 9600, "objective.ema_momentum": [0.9975, 1.0]}

# W's pattern of zeros given, not learned: what is left is what the pattern does
BLOCKS = {"sparsity.method": "oi_vae_blocks", "sparsity.lambda": 0.0}

JOINED = {  # what helped the dense baseline most
    "objective.ema_momentum": [0.97, 1.0],
    "model.depth": 2,
    "masking.num_targets": 3,
    "masking.num_context": 4,
}
# of the dense baseline, each of the processor time of dense-base; joined: what read more
DENSE: dict[str, dict[str, Any]] = {
    "base": {},
    "patch4": {
        "model.patch_size": 4,
        "masking.target_sizes": [[4, 4]],
        "masking.num_context": 32,
        "pretrain.steps": 810,
    },
    "patch4-context16": {
        "model.patch_size": 4,
        "masking.target_sizes": [[4, 4]],
        "masking.num_context": 16,
        "pretrain.steps": 1030,
    },
    "width192": {"model.embed_dim": 192, "model.num_heads": 6, "pretrain.steps": 1700},
    "depth2": {"model.depth": 2, "pretrain.steps": 3480},
    "depth6": {"model.depth": 6, "pretrain.steps": 1750},
    "targets3-context4": {"masking.num_targets": 3, "masking.num_context": 4, "pretrain.steps": 2670},
    "targets1-context12": {"masking.num_targets": 1, "masking.num_context": 12, "pretrain.steps": 2050},
    "batch64": {"pretrain.batch_size": 64, "pretrain.steps": 3400},
    "batch256": {"pretrain.batch_size": 256, "pretrain.steps": 1480},
    "lr0.0015": {"pretrain.learning_rate": 0.0015},
    "lr0.006": {"pretrain.learning_rate": 0.006},
    "ema0.97": {"objective.ema_momentum": [0.97, 1.0]},
    "ema0.996": {"objective.ema_momentum": [0.996, 1.0]},
    "crop0.25": {"augment.crop_scale": [0.25, 1.0]},
    "crop0.8": {"augment.crop_scale": [0.8, 1.0]},
    "mse": {"objective.loss": "mse"},
    "predictor1": {"model.predictor.depth": 1},
    "jitter0.4": {"augment.color_jitter": 0.4},
    "none": {"regularizer.name": "none"},
    "ema0.9": {"objective.ema_momentum": [0.9, 1.0]},
    "joined3": JOINED | {"pretrain.steps": 4120},
}


def rival(method: str, *strengths: float) -> dict[str, dict[str, Any]]:
    """A sparsity method beside VICReg at some strengths: setting -> what it sets."""
    changes = {"sparsity.method": method, "regularizer.name": "vicreg"}
    return {f"{method}-{strength:g}": changes | {"sparsity.lambda": strength} for strength in strengths}


# setting -> what it sets; the first two are what the others are held against.
SETTINGS: dict[str, dict[str, Any]] = {
    "twin": TWIN,
    "default": {},
    "lambda0": {"sparsity.lambda": 0.0},
    "twin-weight0.03": TWIN | {"regularizer.weight": 0.03},
    "twin-weight0.3": TWIN | {"regularizer.weight": 0.3},
    "twin-none": TWIN | {"regularizer.name": "none"},
    "untrained": TWIN | {"pretrain.steps": 1, "pretrain.learning_rate": 1e-8},
    "twin-lr0.006": TWIN | {"pretrain.learning_rate": 0.006},
    "lr0.006": {"pretrain.learning_rate": 0.006},
    "groups-only": {"sparsity.method": "none"},
    "oivae-only": {"regularizer.name": "vicreg"},
    "weight0.05": {"regularizer.weight": 0.05},
    "weight0.2": {"regularizer.weight": 0.2},
    "dependence1": {"regularizer.dependence": 1.0},
    "dependence4": {"regularizer.dependence": 4.0},
    "groups16": {"sparsity.groups": 16},
    "groups64": {"sparsity.groups": 64},
    "probes32": {"regularizer.probes": 32},
    "late": {"sparsity.weight_warmup": 1.0},
    "lambda0.01": {"sparsity.lambda": 0.01},
    "lambda0.02": {"sparsity.lambda": 0.02},
    "lambda0.1": {"sparsity.lambda": 0.1},
    "lambda0.3": {"sparsity.lambda": 0.3},
    **{
        f"twin-sigreg{weight:g}": TWIN | {"regularizer.name": "sigreg", "regularizer.weight": weight}
        for weight in (0.0005, 0.002, 0.02, 0.1)
    },
    **rival("group_lasso", 0.3, 1.0, 3.0),
    **rival("l1", 0.3, 1.0, 3.0),
    **rival("rdmreg", 0.03, 0.1, 0.3),
    "topk-4": {"sparsity.method": "topk", "regularizer.name": "vicreg", "sparsity.topk": 4},
    **{
        f"{side}predictor-{name}": changes | predictor
        for side, changes in (("", {}), ("twin-", TWIN))
        for name, predictor in RUNGS.items()
    },
    **{f"dense-{name}": TWIN | {"regularizer.weight": 0.03} | changes for name, changes in DENSE.items()},
    "steps9600": {"pretrain.steps": 9600},
    "twin-steps9600": TWIN | {"regularizer.weight": 0.03, "pretrain.steps": 9600},
    "ema0.996": {"objective.ema_momentum": [0.996, 1.0]},
    "steps9600-ema0.9975": SLOW,
    "twin-steps9600-ema0.9975": TWIN | SLOW,
    "steps9600-ema0.9975-lambda0": SLOW | {"sparsity.lambda": 0.0},
    "steps9600-ema0.9975-lambda0-module0.3": SLOW | {"sparsity.lambda": 0.0, "sparsity.weight": 0.3},
    "steps9600-ema0.9975-groups-only": SLOW | {"sparsity.method": "none"},
    "steps9600-ema0.9975-0.97": SLOW | {"objective.ema_momentum": [0.9975, 0.97]},
    "steps9600-groups-only": {"pretrain.steps": 9600, "sparsity.method": "none"},
    "joined3": JOINED | {"pretrain.steps": 4120},
    **{
        f"joined3-module{weight:g}": JOINED | {"pretrain.steps": 4120, "sparsity.weight": weight}
        for weight in (0.3, 0.1)
    },
    "joined3-groups-only": JOINED | {"pretrain.steps": 4120, "sparsity.method": "none"},
    "joined3-same-time": JOINED | {"pretrain.steps": 3390},
    "joined3-oivae-only": JOINED
    | {"pretrain.steps": 4120, "regularizer.name": "vicreg", "regularizer.weight": 0.03},
    "groups-group_lasso-0.1": {"sparsity.method": "group_lasso", "sparsity.lambda": 0.1},
    "groups-group_lasso-0.3": {"sparsity.method": "group_lasso", "sparsity.lambda": 0.3},
    "groups-group_lasso-1": {"sparsity.method": "group_lasso", "sparsity.lambda": 1.0},
}


# What SparseJEPA was tried with beside the stronger dense baseline at four times the steps: suffix -> changes
LONG_SPARSE: dict[str, dict[str, Any]] = {
    "": {},
    "-regularizer0.03": {"regularizer.weight": 0.03},
    "-module0.3": {"sparsity.weight": 0.3},
    "-module0.1": {"sparsity.weight": 0.1},
    "-late": {"sparsity.weight_warmup": 1.0},
    "-groups-only": {"sparsity.method": "none"},
    "-pairwise": {"sparsity.method": "none", "sparsity.groups": 128},  # of the default's width
    "-oivae-only": {"regularizer.name": "vicreg", "regularizer.weight": 0.03},
}
# and the dense baseline itself: its weight was chosen in short training, on CIFAR-100
LONG_TWINS: dict[str, dict[str, Any]] = {
    "": {"regularizer.weight": 0.03},
    "-weight0.1": {"regularizer.weight": 0.1},
}
SETTINGS |= {
    f"{side}joined3-steps{steps}{name}": common | JOINED | {"pretrain.steps": steps} | changes
    for steps in (2400, 9600)
    for side, common, forms in (("", {}, LONG_SPARSE), ("dense-", TWIN, LONG_TWINS))
    for name, changes in forms.items()
}
# n times the steps of JOINED, and a target that follows 1/n as fast: n is 4 and 24
STRETCHED = {9600: 0.9925, 57600: 0.99875}
GROUPS_ALONE = LONG_SPARSE["-groups-only"]
STRETCHED_TWINS: dict[str, dict[str, Any]] = {
    "": LONG_TWINS[""],
    "-weight0.01": {"regularizer.weight": 0.01},
}
STRETCHED_SPARSE: dict[str, dict[str, Any]] = {
    "": {},
    "-regularizer0.03": {"regularizer.weight": 0.03},
    "-module0.3": {"sparsity.weight": 0.3},
    **{f"-lambda{value:g}": {"sparsity.lambda": value} for value in (0, 0.02, 0.1)},
    "-groups-only": GROUPS_ALONE,
    "-groups-only-regularizer0.03": GROUPS_ALONE | {"regularizer.weight": 0.03},
    "-groups-only-groups64": GROUPS_ALONE | {"sparsity.groups": 64},
    "-oivae-only": LONG_SPARSE["-oivae-only"],
    "-blocks": BLOCKS,
    "-blocks-lambda0.04": BLOCKS | {"sparsity.lambda": 0.04},
    "-lambda0-module0.3": {"sparsity.lambda": 0, "sparsity.weight": 0.3},
    "-module0.3-regularizer0.03": {"sparsity.weight": 0.3, "regularizer.weight": 0.03},
    "-lambda0-module0.3-regularizer0.03": {
        "sparsity.lambda": 0,
        "sparsity.weight": 0.3,
        "regularizer.weight": 0.03,
    },
}
SETTINGS |= {
    f"{side}joined3-steps{steps}-ema{momentum}{name}": common
    | JOINED
    | {"pretrain.steps": steps, "objective.ema_momentum": [momentum, 1.0]}
    | changes
    for steps, momentum in STRETCHED.items()
    for side, common, forms in (("", {}, STRETCHED_SPARSE), ("dense-", TWIN, STRETCHED_TWINS))
    for name, changes in forms.items()
}


class Cell(NamedTuple):
    """A run of a setting."""

    setting: str
    seed: int


def settings_of(dataset: str, setting: str, seed: int, precision: str = "fp32") -> Params:
    """The params of one run. Its probes choose from fewer penalties than the default's."""
    changes = SETS[dataset] | SETTINGS[setting] | {"pretrain.seed": seed, "probe.sgd.epochs": 0}
    changes |= {"probe.l2": [1e-4, 1e-3, 1e-2, 1e-1]}
    changes |= {"probe.low_shot.fractions": [0.01, 0.1], "probe.label_noise.shares": [0.6]}
    changes |= {"probe.bootstrap": 100, "runtime.precision": precision}
    changes |= {"runtime.checkpoint_seconds": 300.0, "runtime.threads": 1}
    tree = read_tree(Path("params.yaml"))
    set_params(tree, changes)
    return validate(tree)
