"""`python -m pipeline verify` beside the real DVC: what is damaged is named, removed and written anew."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import REPOSITORY

from pipeline.digests import sha256

STAGE = """
import pathlib
from pipeline.digests import seal, sealed
from pipeline.files import write_json

folder = pathlib.Path("artifacts/encoder")
folder.mkdir(parents=True)
(folder / "model.safetensors").write_bytes(bytes(range(256)))
(folder / "config.json").write_text("{}")
seal(folder)
table = pathlib.Path("reports/plots/training.csv")
table.parent.mkdir(parents=True, exist_ok=True)
table.write_text("step,loss\\n1,2\\n")
write_json(pathlib.Path("reports/metrics/pretrain.json"), sealed({"minutes": 1}, [table]))
"""
GRAPH = """
stages:
  pretrain:
    cmd: python write.py
    deps: [write.py]
    outs:
      - artifacts/encoder
      - reports/metrics/pretrain.json: {cache: false}
      - reports/plots/training.csv: {cache: false}
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A DVC project of one stage that ran, with a state of training."""
    (tmp_path / "write.py").write_text(STAGE)
    (tmp_path / "dvc.yaml").write_text(GRAPH)
    run(tmp_path, "dvc", "init", "--no-scm", "-q")
    run(tmp_path, "dvc", "repro", "-q")
    state = tmp_path / "runs/0123/step-8.pt"
    state.parent.mkdir(parents=True)
    state.write_bytes(b"state")
    state.with_suffix(".json").write_text(json.dumps({"sha256": sha256(state)}))
    return tmp_path


def run(folder: Path, *module: str) -> subprocess.CompletedProcess[str]:
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    variables = os.environ | {"PYTHONPATH": str(REPOSITORY), "PATH": path}
    variables.pop("RUNS_DIR", None)
    return subprocess.run(
        [sys.executable, "-m", *module], cwd=folder, env=variables, capture_output=True, text=True
    )


def flip(path: Path) -> None:
    """Change a bit and nothing else, as a failing disk does: the time of change and the mode stay."""
    status = path.stat()
    path.chmod(0o644)
    content = path.read_bytes()
    path.write_bytes(bytes([content[0] ^ 1]) + content[1:])
    path.chmod(status.st_mode)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


@pytest.mark.slow
def test_what_is_whole_is_counted_and_what_is_damaged_is_removed_and_written_anew(project: Path):
    whole = run(project, "pipeline", "verify")
    assert whole.returncode == 0 and whole.stdout.count("none damaged") == 3, whole.stdout + whole.stderr
    weights = project / "artifacts/encoder/model.safetensors"
    table, state = project / "reports/plots/training.csv", project / "runs/0123/step-8.pt"
    content = weights.read_bytes()
    [cached] = [path for path in project.glob(".dvc/cache/files/md5/*/*") if path.read_bytes() == content]
    seal = project / "artifacts/encoder/digests.json"
    digests = seal.read_bytes()
    seal.unlink()
    assert f"damaged: {seal.relative_to(project)}\n" in run(project, "pipeline", "verify").stdout
    seal.write_bytes(digests)
    damaged = (weights, cached, table, state)
    for path in damaged:
        flip(path)
    assert "up to date" in run(project, "dvc", "repro").stdout  # DVC sees nothing of it
    found = run(project, "pipeline", "verify")
    assert found.returncode == 1
    for path in damaged:
        assert f"damaged: {path.relative_to(project)}\n" in found.stdout
    repaired = run(project, "pipeline", "verify", "--repair")
    assert repaired.returncode == 0 and "4 damaged files removed" in repaired.stdout
    assert not any(path.exists() for path in damaged)
    again = run(project, "dvc", "repro")
    assert again.returncode == 0, again.stderr
    assert weights.read_bytes() == cached.read_bytes() == content
    assert not state.with_suffix(".json").exists()
    assert run(project, "pipeline", "verify").returncode == 0
