"""What the study runs: its methods, and the settings and seeds of each part of docs/study.md."""

from typing import NamedTuple

from benchmarks.study.settings import (
    DENSE,
    LONG_SPARSE,
    LONG_TWINS,
    RUNGS,
    STRETCHED_SPARSE,
)
from benchmarks.study.tuning import TUNING

FRESH = (10, 11, 12, 13, 14)
# method -> the settings that validation chooses from, on the tuning seeds
METHODS: dict[str, tuple[str, ...]] = {
    "SparseJEPA, the default": ("default",),
    "the same, lambda 0": ("lambda0",),
    "SparseJEPA, tuned": ("default", "weight0.05", "weight0.2"),
    "VICReg, the dense twin": ("twin", "twin-weight0.03", "twin-weight0.3"),
    "no regulariser": ("twin-none",),
    "groups alone": ("groups-only",),
    "oi-VAE alone": ("oivae-only",),
    "group lasso": ("group_lasso-0.3", "group_lasso-1", "group_lasso-3"),
    "RDMReg": ("rdmreg-0.03", "rdmreg-0.1", "rdmreg-0.3"),
    "l1": ("l1-0.3", "l1-1", "l1-3"),
    "top-k groups": ("topk-4",),
    "SIGReg": ("twin-sigreg0.0005", "twin-sigreg0.002", "twin-sigreg0.02", "twin-sigreg0.1"),
    "groups and group lasso": ("groups-group_lasso-0.1", "groups-group_lasso-0.3", "groups-group_lasso-1"),
}
# other ways to be sparse: tuned on scenes, without fresh seeds where tuning shows no gain (study.ends_early)
RIVALS = ("group lasso", "RDMReg", "l1", "top-k groups", "SIGReg", "groups and group lasso")
BASELINE = "VICReg, the dense twin"
CONTROL = "the same, lambda 0"
LADDER = tuple(f"{side}predictor-{name}" for name in RUNGS for side in ("", "twin-"))
DENSE_SETTINGS = tuple(f"dense-{name}" for name in DENSE)
# which of them moved CIFAR-100 most, for CIFAR-10
DENSE_ON_CIFAR10 = tuple(
    f"dense-{name}"
    for name in ("ema0.97", "depth2", "none", "targets3-context4", "ema0.9", "patch4-context16")
)
# what helped the dense baseline most, for it and for SparseJEPA
JOINED_PAIR = ("dense-joined3", "joined3")
# and at four times the steps, where seed 20 of scenes chose groups alone
LONG_DENSE, LONG_SPARSEJEPA = "dense-joined3-steps9600", "joined3-steps9600"
LONG_GROUPS = f"{LONG_SPARSEJEPA}-groups-only"
SLOW_SPARSEJEPA = "steps9600-ema0.9975"  # the default's settings, and a slower target
STRETCHED_SPARSEJEPA = f"{LONG_SPARSEJEPA}-ema0.9925"  # and of joined3
# both terms at .3 of their weight in short training
STRETCHED_LIGHT = f"{STRETCHED_SPARSEJEPA}-module0.3-regularizer0.03"
STRETCHED_LIGHT_CONTROL = f"{STRETCHED_SPARSEJEPA}-lambda0-module0.3-regularizer0.03"
STRETCHED_GROUPS, STRETCHED_DENSE = f"{STRETCHED_SPARSEJEPA}-groups-only", f"dense-{STRETCHED_SPARSEJEPA}"
STRETCHED_SETTINGS = (STRETCHED_SPARSEJEPA, STRETCHED_GROUPS, STRETCHED_DENSE)
# six times longer still, where the target is slower in the same measure
LONGEST = ("dense-joined3-steps57600-ema0.99875", "joined3-steps57600-ema0.99875")
LONGEST_WEAKER = f"{LONGEST[1]}-module0.3"
LONG_HEAVIER = f"{LONG_DENSE}-weight0.1"  # dense at the groups' weight
SLOW_GROUPS = f"{SLOW_SPARSEJEPA}-groups-only"
ON_SEED_20 = (  # what was tried around them on scenes
    "late",
    "ema0.996",
    "steps9600",
    "twin-steps9600",
    "steps9600-groups-only",
    f"twin-{SLOW_SPARSEJEPA}",
    f"{SLOW_SPARSEJEPA}-0.97",
    "joined3-steps2400",
    "dense-joined3-steps2400-weight0.1",
    "joined3-steps2400-groups-only",
)
LONG_SETTINGS = (
    *(f"{LONG_SPARSEJEPA}{name}" for name in LONG_SPARSE),
    *(f"{LONG_DENSE}{name}" for name in LONG_TWINS),
)
JOINED_SETTINGS = (*JOINED_PAIR, "joined3-oivae-only", "joined3-same-time")
# on CLEVR-like scenes, where the dense twin of scenes reads less than an encoder before training
CLEVR_LIKE_TWINS = ("twin-weight0.03", "dense-ema0.97", "dense-joined3")
DIAL = ("lambda0", "lambda0.01", "lambda0.02", "default", "lambda0.1", "lambda0.3")
CHOSEN_ON = {"scenes": "scenes", "cifar100": "cifar100", "cifar10": "cifar100", "clevr_like": "scenes"}
PHOTOGRAPH_SETS = ("cifar100", "cifar10")


class Part(NamedTuple):
    """Settings that run on some seeds of some sets."""

    sets: tuple[str, ...]
    settings: tuple[str, ...]
    seeds: tuple[int, ...]


SEED_20 = TUNING[:1]
# of zeros in longer training: none, their pattern given, with the penalty; a weaker module without and with
CONTROLS = ("-lambda0", "-blocks", "-blocks-lambda0.04", "-lambda0-module0.3", "-module0.3")
TUNED_SETS = ("scenes", "cifar100")
# what runs beside METHODS, whose settings and seeds follow from what validation chooses
PARTS = (
    Part(tuple(CHOSEN_ON), DIAL, FRESH[:3]),
    Part(TUNED_SETS, LADDER, TUNING),
    Part(("cifar100",), (*DENSE_SETTINGS, *JOINED_SETTINGS), TUNING),
    Part(TUNED_SETS, JOINED_PAIR, (*TUNING, *FRESH)),
    Part(("scenes",), (LONG_DENSE, LONG_GROUPS), (*TUNING, *FRESH)),
    Part(TUNED_SETS, ("joined3-groups-only",), TUNING),
    Part(("scenes",), (LONG_SPARSEJEPA,), TUNING),
    Part(("cifar100",), (LONG_DENSE, LONG_GROUPS), SEED_20),
    Part(("scenes",), (*LONG_SETTINGS, *ON_SEED_20), SEED_20),
    Part(("scenes",), (SLOW_SPARSEJEPA, SLOW_GROUPS), (*TUNING, *FRESH)),
    Part(("scenes",), (LONG_HEAVIER,), FRESH),
    Part(("scenes",), (f"twin-{SLOW_SPARSEJEPA}",), FRESH[:2]),
    Part(("scenes",), (f"{SLOW_SPARSEJEPA}-lambda0", f"{SLOW_SPARSEJEPA}-lambda0-module0.3"), FRESH[:3]),
    Part(("cifar100",), STRETCHED_SETTINGS, (*SEED_20, *FRESH[:3])),
    Part(("cifar100",), tuple(f"{STRETCHED_SPARSEJEPA}{form}" for form in STRETCHED_SPARSE), SEED_20),
    Part(("cifar100",), (STRETCHED_SPARSEJEPA, STRETCHED_LIGHT, STRETCHED_DENSE), FRESH),
    Part(("cifar100",), tuple(f"{STRETCHED_SPARSEJEPA}{form}" for form in CONTROLS), FRESH[:3]),
    Part(("cifar100",), (f"{STRETCHED_DENSE}-weight0.01",), SEED_20),
    Part(("cifar100",), (STRETCHED_LIGHT_CONTROL,), FRESH[:3]),
    Part(("cifar100",), ("joined3-module0.3", "joined3-module0.1"), SEED_20),
    Part(("cifar100",), (*LONGEST, LONGEST_WEAKER), SEED_20),
    Part(("cifar10",), JOINED_PAIR, FRESH[:3]),
    Part(("cifar10",), DENSE_ON_CIFAR10, FRESH[:1]),
    Part(("clevr_like",), ("untrained", *CLEVR_LIKE_TWINS, "joined3"), FRESH[:3]),
)
