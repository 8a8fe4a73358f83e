"""What the benchmarks share: a run with some params changed, interleaved timing, results as JSON and a table.

Ratios come from calls that take turns in one process. With one thread on a CPU they are ratios of processor
seconds, which other work on the machine hardly moves; otherwise of wall seconds.
"""

import platform
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
import torchvision

from pipeline import params
from pipeline.files import write_json
from pipeline.params import Params
from pipeline.pretrain.pretraining import Pretraining
from pipeline.runtime import Runtime, resolve

RESULTS = Path(__file__).parent / "results"
DEFAULTS = Path(__file__).parent.parent / "params.yaml"


class Seconds(NamedTuple):
    """Of one call: of the clock on the wall, and of this process's processors."""

    wall: float
    cpu: float


def build(changes: dict[str, dict[str, Any]]) -> Pretraining:
    """The default run with some sections changed."""
    chosen = params.load(DEFAULTS).model_dump(mode="json", by_alias=True)
    for section, values in changes.items():
        chosen[section] |= values
    checked = Params.model_validate(chosen)
    return Pretraining(checked, checked.augment, (0.5,) * 3, (0.25,) * 3, resolve(checked.runtime))


def wait(device: torch.device) -> None:
    """Until a GPU has done what it was given."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def timed(call: Callable[[], object], device: torch.device) -> Seconds:
    """Of one call, a GPU's work included."""
    wait(device)
    wall, cpu = time.perf_counter(), time.process_time()
    call()
    wait(device)
    return Seconds(time.perf_counter() - wall, time.process_time() - cpu)


def interleaved(
    calls: dict[str, Callable[[], object]], rounds: int, device: torch.device, warm_up: bool = True
) -> dict[str, list[Seconds]]:
    """Every call once per round, in turn; the warm-up round is not counted."""
    seconds: dict[str, list[Seconds]] = {name: [] for name in calls}
    for count in range(-int(warm_up), rounds):
        for name, call in calls.items():
            taken = timed(call, device)
            if count >= 0:
                seconds[name].append(taken)
    return seconds


def clock(device: torch.device) -> str:
    """Which of Seconds the ratios are of."""
    return "cpu" if device.type == "cpu" and torch.get_num_threads() == 1 else "wall"


def median(seconds: Sequence[Seconds], device: torch.device) -> float:
    """By the clock that ratios use."""
    return float(np.median([getattr(one, clock(device)) for one in seconds]))


def machine(runtime: Runtime) -> dict[str, Any]:
    """Where, with which versions and of which commit."""
    git = ("git", "-C", str(RESULTS), "rev-parse", "--short", "HEAD")
    found = subprocess.run(git, capture_output=True, text=True)
    return {
        "device": f"{runtime.device.type}: {runtime.describe()}",
        "threads": torch.get_num_threads(),
        "clock": clock(runtime.device),
        "torch": torch.__version__,
        "torchvision": torchvision.__version__,
        "python": platform.python_version(),
        "commit": found.stdout.strip() or "unknown",
    }


def save(name: str, command: str, content: dict[str, Any], lines: Sequence[str]) -> None:
    """results/<name>.json and results/<name>.md; the page begins with where and how."""
    where = content["machine"]
    write_json(RESULTS / f"{name}.json", {"command": command} | content)
    head = (
        f"`{command}`, commit {where['commit']}, {where['device']}, torch {where['torch']}, "
        f"Python {where['python']}; times are {where['clock']} seconds, medians of {content['rounds']} "
        "interleaved rounds. Written by the command."
    )
    page = "\n".join([f"# {content['title']}", "", head, "", *lines, ""])
    (RESULTS / f"{name}.md").write_text(page)
    print(page)
