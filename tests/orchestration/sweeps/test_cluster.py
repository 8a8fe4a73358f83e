"""Cells on Dask and Ray workers: clones from a Git remote, cache through a DVC remote, results pushed back.

The two workers of a local cluster stand for two machines: they share nothing with the project but the two
remotes and the dashboard.
"""

import subprocess
import sys
from importlib.util import find_spec

import pytest

from tests.orchestration.mini_project import commit, pipeline
from tests.orchestration.prefect.test_dashboard import project as project
from tests.orchestration.sweeps.test_sweep import experiments

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("runner", ["dask", "ray"])
def test_two_workers_share_results_through_the_remotes_alone(project, tmp_path, runner):
    if find_spec(f"prefect_{runner}") is None:
        pytest.skip(f"prefect-{runner} is not installed")
    bare, cluster = tmp_path / "bare.git", tmp_path / "cluster"
    cluster.mkdir()
    remote = [sys.executable, "-m", "dvc", "remote", "add", "--force", "store", str(tmp_path / "store")]
    subprocess.run(remote, cwd=project, check=True)
    if subprocess.run(["git", "diff", "--quiet"], cwd=project).returncode:
        commit(project)
    subprocess.run(["git", "clone", "--quiet", "--bare", str(project), str(bare)], check=True)
    words = (
        *("sweep", "--lambda", "0,1", "--name", runner, "--runner", runner, "--jobs", "2"),
        *("--git", str(bare), "--remote", "store"),
    )
    done = pipeline(project, *words, WORKSPACES=str(cluster))
    assert done.returncode == 0, done.stdout + done.stderr
    assert len([name for name in experiments(project) if name.startswith(runner)]) == 2
    assert len([name for name in experiments(bare) if name.startswith(runner)]) == 2
    assert any((tmp_path / "store").rglob("*"))
    assert [path.name for path in cluster.glob("*/clones/*")] == []
    again = pipeline(project, *words, WORKSPACES=str(cluster))
    assert again.returncode == 0 and "started" not in again.stdout and "all done" in again.stdout
    # A third machine, with nothing of its own, computes nothing either.
    elsewhere = pipeline(project, *words, "--name", f"{runner}2", WORKSPACES=str(tmp_path / "other"))
    assert elsewhere.returncode == 0, elsewhere.stdout + elsewhere.stderr
    assert elsewhere.stdout.count("all from the cache") == 2
