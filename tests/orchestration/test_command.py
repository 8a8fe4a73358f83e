"""`python -m pipeline`: quick to answer, one line for a mistake."""

import subprocess
import sys

import pytest
from conftest import REPOSITORY

from pipeline.orchestration.commands.run import stages


def pipeline(*words: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "pipeline", *words],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
    )


@pytest.mark.parametrize(
    "words", [("--help",), ("sweep", "--help"), ("dashboard", "--help"), ("preset", "smoke")]
)
def test_help_and_presets_import_neither_prefect_nor_torch_nor_pandas(words):
    done = pipeline(*words)
    assert done.returncode == 0 and done.stdout
    imported = {line.split("|")[-1].strip().split(".")[0] for line in done.stderr.splitlines()}
    assert "argparse" in imported
    assert not imported & {"prefect", "torch", "pandas", "matplotlib", "dvc"}


def test_help_names_every_command():
    listed = pipeline("--help").stdout
    assert all(f"\n    {name}" in listed for name in ("run", "sweep", "dashboard", "preset"))


def test_an_unknown_command_is_refused():
    done = pipeline("swep")
    assert done.returncode == 2 and "invalid choice: 'swep'" in done.stderr


def test_the_stages_run_in_the_order_of_the_graph():
    order = stages(REPOSITORY)
    assert order.index("prepare") < order.index("pretrain") < order.index("embed") < order.index("probe")
    assert order[-1] == "report"
