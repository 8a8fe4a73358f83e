"""Resume states: each is whole or absent, the last two are kept, and one of another run is refused.

A state lives outside DVC's outputs, in <runs>/<fingerprint>/, because DVC deletes outputs before it runs a
stage and would hand `persist`ed ones to a run with other params.
"""

import hashlib
import json
import os
from pathlib import Path
from typing import Any

import torch

from pipeline.files import atomic_file, write_json

KEEP = 2


def runs_folder(root: Path) -> Path:
    """RUNS_DIR of the environment, else root/runs."""
    return Path(os.environ.get("RUNS_DIR") or root / "runs")


class Checkpoints:
    """The resume states of one run, in `folder`, which bears the run's fingerprint as its name.

    A state is step-N.pt with step-N.json beside it (fingerprint, step, sha256), written last: a state
    without it was never finished. Where several processes train, one `writes`.
    """

    def __init__(self, folder: Path, writes: bool = True) -> None:
        self.folder, self.writes = folder, writes

    def save(self, state: dict[str, Any], step: int) -> Path:
        """Write the state after `step` steps, then drop all but the last two."""
        path = self._path(step)
        if not self.writes:
            return path
        with atomic_file(path) as temporary:
            torch.save(state, temporary)
            digest = _sha256(temporary)
        write_json(
            path.with_suffix(".json"), {"fingerprint": self.folder.name, "step": step, "sha256": digest}
        )
        for old in self.steps()[KEEP:]:
            self._path(old).with_suffix(".json").unlink()
            self._path(old).unlink(missing_ok=True)
        return path

    def load_last(self, device: torch.device) -> dict[str, Any] | None:
        """The newest state that is whole and belongs to this run, or None."""
        for step in self.steps():
            state = self.load(step, device)
            if state is not None:
                return state
        return None

    def load(self, step: int, device: torch.device) -> dict[str, Any] | None:
        """The state after `step` steps. If it is damaged or belongs to another run, prints its name and
        returns None."""
        path = self._path(step)
        try:
            meta = json.loads(path.with_suffix(".json").read_text())
            fingerprint, digest = meta["fingerprint"], meta["sha256"]
        except (ValueError, KeyError, TypeError):  # the power failed before its bytes reached the disk
            print(f"{path.with_suffix('.json')}: refused, it is damaged", flush=True)
            return None
        if fingerprint != self.folder.name:
            print(f"{path}: refused, it belongs to run {fingerprint}", flush=True)
            return None
        if not path.is_file() or _sha256(path) != digest:
            print(f"{path}: refused, its content does not match its digest", flush=True)
            return None
        return torch.load(path, map_location=device, weights_only=True)

    def last(self) -> Path | None:
        """The newest finished state's file, unchecked."""
        steps = self.steps()
        return self._path(steps[0]) if steps else None

    def _path(self, step: int) -> Path:
        return self.folder / f"step-{step}.pt"

    def steps(self) -> list[int]:
        """Steps of finished states, newest first."""
        return sorted(
            (int(path.stem.removeprefix("step-")) for path in self.folder.glob("step-*.json")), reverse=True
        )


def _sha256(path: Path) -> str:
    with path.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()
