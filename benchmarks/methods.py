"""The studies, each as a list of commands for a shell: sweeps of short runs, then the study's table.

    python -m benchmarks.methods methods scenes                     # prints the commands
    python -m benchmarks.methods methods scenes --seeds 0,1,2 | sh  # runs them
    python -m benchmarks.methods lambda folder --root IMAGES --set runtime.threads=1 --jobs 2 | sh

methods   every sparsity method: oi_vae at the strength of params.yaml, its rivals at one of theirs
lambda    the default method at six strengths
settings  where the module sits, what it weighs, and both without the regulariser
grouping  what each part of the default does: with lambda 0, groups alone, oi_vae alone

A sweep keeps what is done, so the same line goes on after a stop. The last command is
benchmarks.methods_report, which makes the study's table from the sweeps' tables.
"""

import argparse
import shlex
from pathlib import Path

from pipeline.params.registry import SPARSITY_METHODS

LAMBDAS = "0,0.01,0.02,0.04,0.08,1"
# Where lambda is no fraction: a strength at which the method is sparse (docs/sparsity.md).
STRENGTHS = {
    "group_lasso": ("sparsity.lambda=2.0",),
    "l1": ("sparsity.lambda=2.0",),
    "rdmreg": ("sparsity.lambda=0.1",),
}
NO_REGULARIZER = ("regularizer.name=none",)
# study -> setting -> what it sets. The first setting is the baseline that the others are compared with.
STUDIES: dict[str, dict[str, tuple[str, ...]]] = {
    "methods": {
        method: (f"sparsity.method={method}", *STRENGTHS.get(method, ())) for method in SPARSITY_METHODS
    },
    "lambda": {},  # one sweep, whose axis is lambda
    "grouping": {
        "default": (),
        "lambda-0": ("sparsity.lambda=0.0",),
        "groups-alone": ("sparsity.method=none",),
        "oi_vae-alone": ("regularizer.name=vicreg",),
    },
    "settings": {
        "none": ("sparsity.method=none",),
        "default": (),
        "weight-0_1": ("sparsity.weight=0.1",),
        "weight-3": ("sparsity.weight=3.0",),
        "pooled": ("sparsity.site=pooled",),
        "learned-groups": ("regularizer.name=vicreg", "sparsity.assignment=learned"),
        "none-no-regulariser": ("sparsity.method=none", *NO_REGULARIZER),
        "default-no-regulariser": NO_REGULARIZER,
        "weight-0_1-no-regulariser": ("sparsity.weight=0.1", *NO_REGULARIZER),
    },
}
PRESETS = {"scenes": "study", "folder": "study-folder"}


def sweeps(study: str, dataset: str, seeds: str, settings: list[str], jobs: int) -> list[list[str]]:
    """The words of every sweep of a study on a data set; settings: section.key=value for all of them."""
    name = f"{study}-{dataset}"
    shared = ["python", "-m", "pipeline", "sweep", "--preset", PRESETS[dataset], "--seeds", seeds]
    shared += ["--jobs", str(jobs)] if jobs else []
    shared += _flags(settings)
    if study == "lambda":
        return [[*shared, "--lambda", LAMBDAS, "--name", name]]
    return [
        [*shared, *_flags(changes), "--name", f"{name}-{setting}"]
        for setting, changes in STUDIES[study].items()
    ]


def report(study: str, dataset: str) -> list[str]:
    """The words of the command that makes the study's table."""
    name = f"{study}-{dataset}"
    words = ["python", "-m", "benchmarks.methods_report", name]
    if study == "lambda":
        return [*words, "--by", "sparsity.lambda", f"reports/sweeps/{name}.csv"]
    return words + [f"reports/sweeps/{name}-{setting}.csv" for setting in STUDIES[study]]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("study", choices=STUDIES)
    parser.add_argument("dataset", choices=PRESETS)
    parser.add_argument("--root", type=Path, help="of folder: the images")
    parser.add_argument("--seeds", default="0,1,2")
    parser.add_argument("--jobs", type=int, default=0, help="of each sweep")
    parser.add_argument("--set", dest="settings", action="append", default=[], metavar="section.key=value")
    arguments = parser.parse_args()
    if (arguments.dataset == "folder") != (arguments.root is not None):
        parser.error("--root is of the data set folder, which needs it")
    settings = arguments.settings
    if arguments.root:
        settings = [f"data.root={arguments.root.resolve()}", *settings]
    for words in sweeps(arguments.study, arguments.dataset, arguments.seeds, settings, arguments.jobs):
        print(shlex.join(words))
    print(shlex.join(report(arguments.study, arguments.dataset)))


def _flags(settings: list[str] | tuple[str, ...]) -> list[str]:
    return [word for setting in settings for word in ("--set", setting)]


if __name__ == "__main__":
    main()
