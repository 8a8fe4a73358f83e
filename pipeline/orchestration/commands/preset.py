"""`python -m pipeline preset NAME`: the overrides of presets/NAME.yaml as flags of `dvc exp run`."""

import argparse

from pipeline.orchestration import presets


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", help=", ".join(presets.names()))


def main(arguments: argparse.Namespace) -> int:
    """Print the flags. Raises InputError where there is no such preset."""
    print(presets.flags(arguments.name))
    return 0
