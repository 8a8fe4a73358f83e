"""A stage that is killed (SIGKILL) at any of its file operations leaves nothing half-written, and the same
command then gives the bits of a run that nobody killed."""

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from conftest import override

from pipeline.files import HIDDEN, LOCK
from pipeline.params import Params
from stages import embed, prepare, pretrain
from tests.killed import is_killed, killed_everywhere
from tests.stages.tiny_run import tiny_run

TIMES = {"minutes", "images_per_second", "peak_memory_mb", "seconds", "rate"}
DIGESTS = {"digest", "tables"}  # of files that hold times
NEVER = 10**9


def untimed(content: Any) -> Any:
    """JSON without what the clock said."""
    if isinstance(content, dict):
        return {key: untimed(value) for key, value in content.items() if key not in TIMES | DIGESTS}
    return [untimed(value) for value in content] if isinstance(content, list) else content


def written(path: Path) -> object:
    if path.suffix == ".csv":
        table = pd.read_csv(path)
        return table.drop(columns=list(TIMES & set(table))).to_csv()
    if path.parent.name == "metrics":
        return untimed(json.loads(path.read_text()))
    return path.read_bytes()


def outputs(root: Path) -> dict[str, object]:
    """Everything below the folders that stages write, but for times."""
    files = [path for place in ("artifacts", "reports") for path in (root / place).rglob("*")]
    return {path.relative_to(root).as_posix(): written(path) for path in files if path.is_file()}


def left_behind(root: Path) -> list[Path]:
    """Temporaries, and states that are not among the last two."""
    states = [path for path in root.glob("runs/*/*") if path.name != LOCK]
    assert len(states) in (0, 4)
    return [path for path in root.rglob("*") if path.name.endswith(HIDDEN)]


def kills(work: Callable[[], object], root: Path, every: int) -> int:
    """Kill the work everywhere, the old outputs in place and not; returns how often it was killed."""
    assert not is_killed(work, NEVER)
    whole, count = outputs(root), 0
    for number in killed_everywhere(partial(afresh, work, root), every):
        assert not is_killed(work, NEVER)
        assert outputs(root) == whole and not left_behind(root), number
        count += 1
    assert outputs(root) == whole
    return count


def afresh(work: Callable[[], object], root: Path) -> None:
    """The work without a state to go on from."""
    for state in root.glob("runs/*/step-*"):
        state.unlink()
    work()


@pytest.mark.slow
def test_after_a_kill_the_same_command_gives_the_same_bits(tmp_path, small_tree, monkeypatch):
    monkeypatch.setattr("pipeline.pretrain.run.run_fingerprint", lambda *_, **__: "run")  # no code is read
    sizes = {"data.scenes.num_train": 300, "data.scenes.num_test": 60, "pretrain.monitor_images": 100}
    tree = override(small_tree, sizes | {"runtime.checkpoint_seconds": 0.0, "pretrain.steps": 3})
    params = Params.model_validate(override(tree, {"pretrain.monitor_every": 3, "pretrain.history_every": 3}))
    counts = {
        "prepare": kills(lambda: prepare.main(params, tmp_path), tmp_path, 4),
        "pretrain": kills(lambda: pretrain.main(params, tmp_path), tmp_path, 7),
    }
    embedded = tiny_run(tmp_path / "tiny")
    counts["embed"] = kills(lambda: embed.main(embedded, tmp_path / "tiny"), tmp_path / "tiny", 4)
    print(counts)
    assert sum(counts.values()) >= 40 and min(counts.values()) >= 5
