"""Resume states: each is whole or absent, the last two are kept, and one of another run is refused.

A state lives outside DVC's outputs, in <runs>/<fingerprint>/, because DVC deletes outputs before it runs a
stage and would hand `persist`ed ones to a run with other params.
"""

import hashlib
import os
import pickle
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from pipeline.files import InputError, atomic_file, read_json, write_json

KEEP = 2
NAME = re.compile(r"step-(\d+)")
# What torch raises for a file that is none of its own is nearly anything.
UNREADABLE = (
    *(pickle.UnpicklingError, RuntimeError, OSError, EOFError),
    *(LookupError, TypeError, ValueError, AttributeError),
)

Fits = Callable[[Any], bool]  # whether what was read is a state of the run


def runs_folder(root: Path) -> Path:
    """RUNS_DIR of the environment, else root/runs."""
    return Path(os.environ.get("RUNS_DIR") or root / "runs")


class Checkpoints:
    """The resume states of one run, in `folder`, which bears the run's fingerprint as its name.

    A state is step-N.pt with step-N.json beside it (fingerprint, step, sha256), written last: a state
    without it was never finished. Where several processes train, one `writes`. Nobody else writes there:
    pipeline.pretrain.run_lock.
    """

    def __init__(self, folder: Path, writes: bool = True) -> None:
        self.folder, self.writes = folder, writes

    def save(self, state: dict[str, Any], step: int) -> Path:
        """Write the state after `step` steps, then `drop_others`."""
        path = self._path(step)
        if not self.writes:
            return path
        with atomic_file(path) as temporary:
            torch.save(state, temporary)
            digest = _sha256(temporary)
        write_json(
            path.with_suffix(".json"), {"fingerprint": self.folder.name, "step": step, "sha256": digest}
        )
        self.drop_others(step)
        return path

    def drop_others(self, step: int) -> None:
        """Drop all but the last two states up to `step`: the others are old, unfinished or refused."""
        kept = [older for older in self.steps() if older <= step][:KEEP]
        for suffix in (".json", ".pt") if self.writes else ():
            for other in set(self._steps(suffix)) - set(kept):
                self._path(other).with_suffix(suffix).unlink(missing_ok=True)

    def load_last(self, fits: Fits) -> dict[str, Any] | None:
        """The newest state that is whole, belongs to this run and fits it, or None."""
        for step in self.steps():
            state = self.load(step, fits)
            if state is not None:
                return state
        return None

    def load(self, step: int, fits: Fits) -> dict[str, Any] | None:
        """The state after `step` steps, on the CPU. If it is damaged, belongs to another run or does not fit
        this one, prints its name and returns None."""
        path = self._path(step)
        try:
            meta = read_json(path.with_suffix(".json"), "fingerprint", "sha256")
        except InputError:  # the power failed before its bytes reached the disk
            print(f"{path.with_suffix('.json')}: refused, it is damaged", flush=True)
            return None
        if meta["fingerprint"] != self.folder.name:
            print(f"{path}: refused, it belongs to run {meta['fingerprint']}", flush=True)
            return None
        try:
            if _sha256(path) != meta["sha256"]:
                print(f"{path}: refused, its content does not match its digest", flush=True)
                return None
            state = torch.load(path, map_location="cpu", weights_only=True)
        except UNREADABLE as error:
            print(f"{path}: refused, it cannot be read ({type(error).__name__})", flush=True)
            return None
        if not fits(state):
            print(f"{path}: refused, it is no state of this run", flush=True)
            return None
        return state

    def last(self) -> Path | None:
        """The newest finished state's file, unchecked."""
        steps = self.steps()
        return self._path(steps[0]) if steps else None

    def _path(self, step: int) -> Path:
        return self.folder / f"step-{step}.pt"

    def steps(self) -> list[int]:
        """Steps of finished states, newest first."""
        return self._steps(".json")

    def _steps(self, suffix: str) -> list[int]:
        names = [NAME.fullmatch(path.stem) for path in self.folder.glob(f"step-*{suffix}")]
        return sorted((int(name[1]) for name in names if name), reverse=True)


def _sha256(path: Path) -> str:
    with path.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()
