"""Every command of docs/tutorial.md runs, in its order, in a clone."""

import re
import subprocess
import sys

import pytest
from conftest import REPOSITORY

from tests.orchestration.mini_project import environment

TUTORIAL = (REPOSITORY / "docs/tutorial.md").read_text()
BLOCKS = re.findall(r"^```(bash|python)\n(.*?)^```$", TUTORIAL, re.MULTILINE | re.DOTALL)
SET_UP = ["git clone REPOSITORY sparsejepa", "cd sparsejepa", "make setup", "source .venv/bin/activate"]


def test_what_is_not_run_is_setting_up_alone():
    indented = re.findall(r"^    (\S.*)$", re.sub(r"```.*?```", "", TUTORIAL, flags=re.DOTALL), re.MULTILINE)
    assert indented == SET_UP
    assert [kind for kind, _ in BLOCKS] == ["bash", "bash", "python", "bash"]


@pytest.mark.slow
def test_the_tutorial_runs_from_a_clone_to_a_sweep(tmp_path):
    project = tmp_path / "sparsejepa"
    subprocess.run(["git", "clone", "--quiet", REPOSITORY, project], check=True)
    for key, value in (("user.name", "test"), ("user.email", "test@localhost")):
        subprocess.run(["git", "config", key, value], cwd=project, check=True)
    variables = environment(PYTHONPATH="", PATH=f"{sys.prefix}/bin:/usr/bin:/bin", OMP_NUM_THREADS="1")
    outputs = []
    for kind, block in BLOCKS:
        command = ["bash", "-euc", block] if kind == "bash" else [sys.executable, "-c", block]
        done = subprocess.run(command, cwd=project, env=variables, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr
        outputs.append(done.stdout)
    assert "Report: " in outputs[1] and "less its dense twin: " in outputs[1]
    assert outputs[2] == "features (1, 128)\n"
    assert "2 cells, 2 to run" in outputs[3] and "2 cells, all done" in outputs[3]
    table = (project / "reports/sweeps/weights.md").read_text()
    assert "| weight | seeds done |" in table and table.count("dense twin: 1 of 1") == 2
    wrong = subprocess.run(
        [sys.executable, *["-m", "pipeline", "run", "--set", "data.roots=my-images"]],
        cwd=project, env=variables, capture_output=True, text=True,
    )  # fmt: skip
    assert wrong.returncode == 2
    assert wrong.stderr == "error: data.roots: unknown key; did you mean `data.root`?\n"
