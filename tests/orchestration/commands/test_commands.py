"""`python -m pipeline`: quick to answer, one line for a mistake."""

import contextlib
import os
import pty
import re
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest
from conftest import REPOSITORY

from pipeline.__main__ import COMMANDS
from pipeline.layout import PAGE


def pipeline(*words: str, cwd: Path = REPOSITORY) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "pipeline", *words],
        cwd=cwd,
        env=os.environ | {"PYTHONPATH": str(REPOSITORY)},
        capture_output=True,
        text=True,
    )


@pytest.mark.parametrize(
    "words",
    [
        ("--help",),
        ("--print-completion", "bash"),
        ("preset", "smoke"),
        *((name, "--help") for name in COMMANDS),
    ],
    ids=" ".join,
)
def test_help_presets_and_completion_import_neither_prefect_nor_torch_nor_pandas(words):
    done = pipeline(*words)
    assert done.returncode == 0 and done.stdout
    imported = {line.split("|")[-1].strip().split(".")[0] for line in done.stderr.splitlines()}
    assert "argparse" in imported
    assert not imported & {"prefect", "torch", "pandas", "scipy", "matplotlib", "dvc"}


def test_help_names_every_command():
    listed = pipeline("--help").stdout
    assert all(f"\n    {name}" in listed for name in COMMANDS)


def test_an_unknown_command_is_refused():
    done = pipeline("swep")
    assert done.returncode == 2 and "invalid choice: 'swep'" in done.stderr


def test_a_port_that_no_machine_has_is_refused():
    done = pipeline("dashboard", "--port", "80000")
    assert done.returncode == 2 and "--port: must be from 1 to 65535, got 80000" in done.stderr


@pytest.mark.parametrize("flag", ["--jobs", "--together"])
@pytest.mark.parametrize("number", ["0", "-1"])
def test_no_cells_at_a_time_is_refused(flag, number):
    done = pipeline("sweep", "--seeds", "0", flag, number)
    assert done.returncode == 2 and f"{flag}: must be at least 1, got {number}" in done.stderr


@pytest.mark.parametrize("module", ["pipeline", "stages"])
def test_outside_the_environment_one_line_says_what_to_do(module):
    words = {"pipeline": ["sweep"], "stages": ["prepare"]}[module]
    command = [sys.executable, "-S", "-m", module, *words]  # -S: without the libraries of the environment
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True)
    assert done.returncode == 1 and len(done.stderr.splitlines()) == 1
    assert "source .venv/bin/activate" in done.stderr


def test_the_result_is_the_accuracies_the_verdict_and_where_the_report_is(tmp_path):
    done = pipeline("result")
    assert done.returncode == 0 and "encoder" in done.stdout
    number = r"[+−]?\d+\.\d"
    line = rf"^less its dense twin: {number} points \({number} to {number}\)$"
    assert re.search(line, done.stdout, re.MULTILINE)
    assert done.stdout.rstrip().endswith(f"Report: {REPOSITORY / PAGE}")
    nowhere = pipeline("result", cwd=tmp_path)
    assert nowhere.returncode == 1 and nowhere.stderr.splitlines()[-1].startswith("error: ")


@cache
def completion_script() -> str:
    words = [sys.executable, "-m", "pipeline", "--print-completion", "bash"]
    return subprocess.run(words, cwd=REPOSITORY, capture_output=True, text=True, check=True).stdout


def completed(*words: str) -> list[str]:
    """What bash offers for the last word of a command line."""
    line = f"COMP_WORDS=(sparsejepa {' '.join(words)}); COMP_CWORD={len(words)}; _shtab_sparsejepa"
    ask = f'{completion_script()}\n{line}\nprintf "%s\\n" "${{COMPREPLY[@]}}"'
    return subprocess.run(["bash", "-c", ask], capture_output=True, text=True, check=True).stdout.split()


def test_bash_completes_commands_their_flags_and_the_values_of_a_choice():
    pytest.importorskip("shtab")
    assert completed("sw") == ["sweep"]
    assert completed("sweep", "--opt") == ["--optuna"]
    assert completed("sweep", "--runner", "sl") == ["slurm"]


@pytest.mark.skipif(shutil.which("zsh") is None, reason="zsh is not installed")
@pytest.mark.parametrize(("typed", "whole"), [("sw", "sweep"), ("sweep --opt", "sweep --optuna")])
def test_zsh_completes_commands_and_their_flags(typed, whole):
    """Tab, then the line put in quotes and printed (Ctrl-A and Ctrl-E go to its ends)."""
    pytest.importorskip("shtab")
    terminal, shell = pty.openpty()
    process = subprocess.Popen(
        ["zsh", "-f", "-i"], cwd=REPOSITORY, stdin=shell, stdout=shell, stderr=shell, start_new_session=True,
        env=os.environ | {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}", "TERM": "dumb"},
    )  # fmt: skip
    os.close(shell)
    lines = (
        "autoload -U compinit && compinit -u -D; zstyle ':completion:*' insert-tab false",
        'eval "$(python -m pipeline --print-completion zsh)"',
        f"sparsejepa {typed}\t\x01print -r -- '<\x05>'",
        "exit",
    )
    os.write(terminal, "".join(f"{line}\n" for line in lines).encode())
    said = b""
    with contextlib.suppress(OSError):  # a terminal whose shell has ended
        while chunk := os.read(terminal, 65536):
            said += chunk
    process.wait()
    os.close(terminal)
    assert f"\n<sparsejepa {whole}>" in said.decode().replace("\r", "")


def test_the_function_that_is_completed_is_the_command():
    pytest.importorskip("shtab")
    words = 'eval "$(python -m pipeline --print-completion bash)"; sparsejepa preset smoke'
    variables = os.environ | {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    done = subprocess.run(
        ["bash", "-c", words], cwd=REPOSITORY, env=variables, capture_output=True, text=True
    )
    assert done.returncode == 0 and "-S pretrain.steps=40" in done.stdout


def test_a_shell_that_is_not_completed_is_refused():
    done = pipeline("--print-completion", "fish")
    assert done.returncode == 2 and "invalid choice: 'fish'" in done.stderr
