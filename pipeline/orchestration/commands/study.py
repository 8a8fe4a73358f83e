"""`python -m pipeline study check SET SETTING SEED`: a committed row of the study, trained again.

benchmarks/study has the settings; it runs as a command of its own.
"""

import argparse
import subprocess
import sys
from pathlib import Path

from pipeline.files import InputError

STUDY = Path("benchmarks/study")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("action", choices=["check"])
    parser.add_argument("set", help="scenes, cifar100 or cifar10")
    parser.add_argument("setting", help="of the rows in benchmarks/results/studies")
    parser.add_argument("seed")
    parser.add_argument("--root", metavar="DIR", help="the images of CIFAR; default: downloaded")


def main(arguments: argparse.Namespace) -> int:
    """The exit status of the comparison: 1 where the rows differ. Raises InputError outside the project."""
    if not STUDY.exists():
        raise InputError(f"{STUDY}: not found here; run this in the project's folder")
    root = ["--root", arguments.root] if arguments.root else []
    row = [arguments.set, arguments.setting, arguments.seed]
    return subprocess.run(
        [sys.executable, "-m", "benchmarks.study", arguments.action, *row, *root]
    ).returncode
