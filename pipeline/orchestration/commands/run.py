"""`python -m pipeline run`: the graph once, stage by stage; a Prefect flow where the dashboard is up."""

import argparse
from pathlib import Path

from pipeline.orchestration.prefect import server
from pipeline.orchestration.processes.listen import Listener
from pipeline.orchestration.processes.stages import run_stage, stage_order
from pipeline.orchestration.processes.stop import Stop
from pipeline.orchestration.processes.terminate import terminated


def add_arguments(parser: argparse.ArgumentParser) -> None:
    del parser


def main(arguments: argparse.Namespace) -> int:
    """Raises StageError with the reason of the first stage that fails."""
    del arguments
    root = Path.cwd()
    stages = stage_order(root)
    if server.connect(root) is not None:
        from pipeline.orchestration.prefect import run_flow

        return run_flow.run()
    with terminated():
        for stage in stages:
            run_stage(root, stage, Stop(), Printer())
    return 0


class Printer(Listener):
    """Prints the lines; stages print their progress themselves."""

    def line(self, text: str) -> None:
        print(text, flush=True)
