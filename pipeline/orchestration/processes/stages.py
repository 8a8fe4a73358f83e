"""The graph's stages run through DVC, side by side where none reads what another writes."""

import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from pipeline import graph
from pipeline.files import InputError
from pipeline.orchestration.processes.devices import Environment, cores, gpus, slots
from pipeline.orchestration.processes.guarded import DVC, environment
from pipeline.orchestration.processes.listen import Listener, Reader, run_command
from pipeline.orchestration.processes.stop import Stop
from pipeline.params import RuntimeParams

CANCELLED = "cancelled"
FILLS = ("probe",)  # works in threads of a core each, so it may take what its neighbours leave


class StageError(InputError):
    """A stage failed: its own reason in one line."""


def stage_rounds(root: Path) -> list[list[str]]:
    """The graph's stages in rounds, of stages that can run side by side. Raises InputError where there is no
    dvc.yaml."""
    try:
        return graph.stage_rounds(graph.read_graph(root))
    except FileNotFoundError:
        raise InputError("dvc.yaml: not found here; run this in the project's folder") from None


def up_to_date(root: Path) -> bool:
    """Whether no stage has to run."""
    status = subprocess.run((*DVC, "status", "-q"), cwd=root, env=environment(), capture_output=True)
    return status.returncode == 0


def shares(stages: list[str], runtime: RuntimeParams) -> list[Environment]:
    """What each stage gets where they run side by side: its share of cores, or a GPU of its own. Empty where
    they have to run one after the other.

    Small networks do not keep several cores busy, so two trainings on half the cores each end sooner. The
    stages of FILLS may use all cores. A GPU is not shared: its memory may do for one alone.
    """
    count, devices = len(stages), [] if runtime.device == "cpu" else gpus()
    fit = len(devices) >= count if devices else cores() >= max(runtime.threads, 1) * count
    if count < 2 or not fit or runtime.processes > 1 or runtime.device not in ("auto", "cpu"):
        return []
    given = slots(count, devices, cores())
    threads = {stage: {"OMP_NUM_THREADS": str(cores())} for stage in stages if stage in FILLS}
    return [share | threads.get(stage, {}) for stage, share in zip(stages, given, strict=True)]


def run_round(root: Path, stages: list[str], runtime: RuntimeParams, stop: Stop, listener: Listener) -> None:
    """Run the stages of a round, side by side where `shares` has it. Where one fails the others are stopped,
    which save their state. Raises StageError with the reason of the first that failed."""
    given = shares(stages, runtime)
    if not given:
        for stage in stages:
            run_stage(root, stage, stop, listener)
        return
    with ThreadPoolExecutor(len(stages)) as executor:

        def run(stage: str, share: Environment) -> None:
            try:
                run_stage(root, stage, stop, listener, share)
            except Exception:
                stop.request()
                raise

        futures = [executor.submit(run, *pair) for pair in zip(stages, given, strict=True)]
        try:
            errors = [future.exception() for future in futures]
        except BaseException:  # Ctrl-C
            stop.request()
            raise
    failed = [error for error in errors if error is not None]
    if failed:
        raise min(failed, key=lambda error: str(error).endswith(CANCELLED))


def run_stage(
    root: Path, stage: str, stop: Stop, listener: Listener, share: Environment | None = None
) -> bool:
    """`dvc repro -s STAGE`. share: of the machine, as `shares` gives it. Returns whether DVC ran it. Raises
    StageError with the stage's reason."""
    reader = Reader(listener)
    variables = environment(**(share or {}))
    status = run_command((*DVC, "--wait-for-lock", "repro", "-s", stage), root, variables, stop, reader)
    if status:
        raise StageError(f"{stage}: {CANCELLED if stop.event.is_set() else reader.reading.reason()}")
    return stage in reader.reading.ran
