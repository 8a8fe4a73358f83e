"""What the benchmarks share: a run with some params changed, and calls timed in turns.

Ratios come from calls that take turns in one process: a change of the machine's speed meets all of them.
With one thread on a CPU they are ratios of processor seconds, which other work on the machine hardly moves.
Otherwise they are ratios of wall seconds.
"""

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch

from pipeline import params
from pipeline.params import Params
from pipeline.pretrain import trainer as step_module
from pipeline.runtime import resolve

DEFAULTS = Path(__file__).parent.parent / "params.yaml"
STUDIES = Path(__file__).parent / "results/studies"  # tables of trained runs, and their figures
Trainer = step_module.Trainer  # the other benchmarks take the class and its module from here


class Seconds(NamedTuple):
    """How long a call took. wall: seconds on the clock. cpu: seconds of this process's processors."""

    wall: float
    cpu: float


def build(changes: dict[str, dict[str, Any]]) -> Trainer:
    """The run of params.yaml with some keys of some sections changed."""
    tree = params.load(DEFAULTS).model_dump(mode="json", by_alias=True)
    for section, values in changes.items():
        tree[section] |= values
    checked = Params.model_validate(tree)
    return Trainer(checked, checked.augment, (0.5,) * 3, (0.25,) * 3, resolve(checked.runtime))


def wait(device: torch.device) -> None:
    """Return when a GPU has finished what it was given."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def timed(call: Callable[[], object], device: torch.device) -> Seconds:
    """Time of one call, the GPU's work included."""
    wait(device)
    wall, cpu = time.perf_counter(), time.process_time()
    call()
    wait(device)
    return Seconds(time.perf_counter() - wall, time.process_time() - cpu)


def interleaved(
    calls: dict[str, Callable[[], object]], rounds: int, device: torch.device
) -> dict[str, list[Seconds]]:
    """Times of every call, once per round, in turn. A first round warms up and is not counted."""
    seconds: dict[str, list[Seconds]] = {name: [] for name in calls}
    for count in range(-1, rounds):
        for name, call in calls.items():
            taken = timed(call, device)
            if count >= 0:
                seconds[name].append(taken)
    return seconds


def clock(device: torch.device) -> str:
    """The field of Seconds that ratios are made of: "cpu" or "wall"."""
    return "cpu" if device.type == "cpu" and torch.get_num_threads() == 1 else "wall"


def median(seconds: Sequence[Seconds], device: torch.device) -> float:
    """Median time by the clock that ratios are made of, in seconds."""
    return float(np.median([getattr(taken, clock(device)) for taken in seconds]))
