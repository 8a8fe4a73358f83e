"""The graph's stages run one by one through DVC."""

from pathlib import Path

from pipeline import graph
from pipeline.files import InputError
from pipeline.orchestration.processes.guarded import DVC, environment
from pipeline.orchestration.processes.listen import Listener, Reader, run_command
from pipeline.orchestration.processes.stop import Stop


class StageError(InputError):
    """A stage failed: its own reason in one line."""


def stage_order(root: Path) -> list[str]:
    """The graph's stages in an order in which they can run. Raises InputError where there is no dvc.yaml."""
    try:
        return graph.stage_order(graph.read_graph(root))
    except FileNotFoundError:
        raise InputError("dvc.yaml: not found here; run this in the project's folder") from None


def run_stage(root: Path, stage: str, stop: Stop, listener: Listener) -> bool:
    """`dvc repro -s STAGE`. Returns whether DVC ran it. Raises StageError with the stage's reason."""
    reader = Reader(listener)
    status = run_command((*DVC, "repro", "-s", stage), root, environment(), stop, reader)
    if status:
        raise StageError(f"{stage}: {'cancelled' if stop.event.is_set() else reader.reading.reason()}")
    return stage in reader.reading.ran
