"""Who computes where: a slot per job with a GPU or a share of the processor's threads."""

import os
import queue
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

from pipeline.files import InputError

Environment = dict[str, str]


def gpus() -> list[str]:
    """Names for CUDA_VISIBLE_DEVICES: what that variable lists if it is set, else what nvidia-smi finds."""
    given = os.environ.get("CUDA_VISIBLE_DEVICES")
    if given is not None:
        return [name.strip() for name in given.split(",") if name.strip() not in ("", "-1")]
    try:
        listed = subprocess.run(
            ["nvidia-smi", "--query-gpu=index", "--format=csv,noheader"], capture_output=True, text=True
        )
    except FileNotFoundError:
        return []
    return listed.stdout.split() if listed.returncode == 0 else []


def cores() -> int:
    """Those that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def default_jobs(devices: list[str]) -> int:
    """One per GPU; without one, one (a small encoder keeps all threads busy)."""
    return max(1, len(devices))


def slots(jobs: int, devices: list[str], num_cores: int) -> list[Environment]:
    """The environment of each job: equal shares of GPUs (more jobs than GPUs share them) and of threads.

    Raises InputError where there would be less than one job.
    """
    if jobs < 1:
        raise InputError(f"--jobs: must be at least 1, got {jobs}")
    threads = str(max(1, num_cores // jobs))
    environments: list[Environment] = []
    for job in range(jobs):
        visible = devices[job::jobs] or devices[job % max(len(devices), 1) :][:1]
        gpu = {"CUDA_VISIBLE_DEVICES": ",".join(visible)} if visible else {}
        environments.append({"OMP_NUM_THREADS": threads, **gpu})
    return environments


class SlotPool:
    """Slots that jobs take in turn and give back."""

    def __init__(self, environments: list[Environment]) -> None:
        self._free: queue.SimpleQueue[Environment] = queue.SimpleQueue()
        for environment in environments:
            self._free.put(environment)

    @contextmanager
    def take(self) -> Iterator[Environment]:
        """Wait for a free slot; yields the environment of its commands."""
        slot = self._free.get()
        try:
            yield slot
        finally:
            self._free.put(slot)
