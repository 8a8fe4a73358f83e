"""How far a task is, for whoever watches from another process: the dashboard, a sweep.

Where the environment names a file (PROGRESS_FILE), each report is appended to it as a line of JSON. Several
processes may append to one file: a line is written at once.
"""

import contextlib
import json
import math
import os
from dataclasses import asdict, dataclass, field
from pathlib import Path

VARIABLE = "PROGRESS_FILE"


@dataclass(frozen=True)
class Progress:
    """`done` of `total` units of a task. detail: name -> number of what else is known, such as the loss."""

    task: str
    done: int
    total: int
    unit: str
    detail: dict[str, float] = field(default_factory=dict)

    @property
    def percent(self) -> float:
        return 100 * self.done / self.total if self.total else 100.0

    def in_words(self) -> str:
        """`pretrain: 30 of 120 steps, loss 0.5, 1:05 left`."""
        parts = [f"{self.task}: {self.done:,} of {self.total:,} {self.unit}"]
        return ", ".join([*parts, *(_in_words(name, value) for name, value in self.detail.items())])


def report(task: str, done: int, total: int, unit: str, **detail: float) -> None:
    """Say how far `task` is, where PROGRESS_FILE is set. Numbers that are not finite are left out."""
    path = os.environ.get(VARIABLE)
    if not path:
        return
    known = {name: value for name, value in detail.items() if math.isfinite(value)}
    line = json.dumps(asdict(Progress(task, done, total, unit, known))) + "\n"
    with contextlib.suppress(OSError):  # a stage does not fail because nobody can see how far it is
        descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
        try:
            os.write(descriptor, line.encode())
        finally:
            os.close(descriptor)


class ProgressFile:
    """What was appended to a file since the last look."""

    def __init__(self, path: Path) -> None:
        self.path, self._offset = path, 0

    def newest(self) -> Progress | None:
        """The last report since the call before; None where there is none."""
        try:
            with self.path.open("rb") as handle:
                handle.seek(self._offset)
                text = handle.read()
        except FileNotFoundError:
            return None
        whole = text[: text.rfind(b"\n") + 1]  # the last line may still be being written
        self._offset += len(whole)
        lines = whole.splitlines()
        return Progress(**json.loads(lines[-1])) if lines else None


def _in_words(name: str, value: float) -> str:
    if name == "seconds_left":
        return f"{int(value) // 60}:{int(value) % 60:02d} left"
    if name.endswith("_per_second"):
        return f"{value:,.0f} {name.removesuffix('_per_second')}/s"
    return f"{name} {value:.4g}"
