"""`python -m pipeline result`: accuracies, the twin, the verdict, the report; `make repro` ends with it."""

import argparse
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    del parser


def main(arguments: argparse.Namespace) -> int:
    """Print the result of the current folder."""
    from pipeline.orchestration.commands.work.result import result

    del arguments
    print(result(Path.cwd()))
    return 0
