"""`python -m pipeline run`: the graph once, stage by stage; a Prefect flow where the dashboard is up."""

import argparse
from collections.abc import Callable
from pathlib import Path

import yaml

from pipeline.files import InputError
from pipeline.orchestration.prefect import dashboard
from pipeline.orchestration.processes.guarded import DVC, Guarded, environment
from pipeline.orchestration.processes.lines import Reading
from pipeline.orchestration.processes.terminate import terminated
from pipeline.orchestration.sweeps.cell import Stop


class StageError(InputError):
    """A stage failed: its own reason in one line."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    del parser


def main(arguments: argparse.Namespace) -> int:
    del arguments
    root = Path.cwd()
    order = stages(root)
    if dashboard.connect(root) is not None:
        from pipeline.orchestration.prefect import run_flow

        return run_flow.run()
    with terminated():
        for stage in order:
            run_stage(root, stage, Stop(), lambda line, _: print(line, flush=True))
    return 0


def stages(root: Path) -> list[str]:
    """The graph's stages, each after those whose outputs it reads. Raises InputError where there is none."""
    try:
        graph = yaml.safe_load((root / "dvc.yaml").read_text())["stages"]
    except FileNotFoundError:
        raise InputError("dvc.yaml: not found here; run this in the project's folder") from None
    writes = {path: stage for stage, entry in graph.items() for path in _outputs(entry)}
    needs = {
        stage: {writes[dep] for dep in entry.get("deps", []) if dep in writes}
        for stage, entry in graph.items()
    }
    order: list[str] = []
    while len(order) < len(needs):
        order += [stage for stage in needs if stage not in order and needs[stage] <= set(order)][:1]
    return order


def _outputs(entry: dict[str, list[object]]) -> list[str]:
    found = [output for kind in ("outs", "metrics", "plots") for output in entry.get(kind, [])]
    return [next(iter(output)) if isinstance(output, dict) else str(output) for output in found]


def run_stage(root: Path, stage: str, stop: Stop, on_line: Callable[[str, Reading], None]) -> bool:
    """`dvc repro -s STAGE`. Returns whether it ran (or was cached). Raises StageError with its reason."""
    reading = Reading()
    with stop.ends(Guarded((*DVC, "repro", "-s", stage), root, environment())) as process:
        for line in process:
            reading.read(line)
            on_line(line, reading)
        status = process.wait()
    if status:
        raise StageError(f"{stage}: {'cancelled' if stop.event.is_set() else reading.reason()}")
    return stage in reading.ran
