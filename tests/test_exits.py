"""How processes end: one line whatever the system refuses, and a signal at any moment is obeyed."""

import errno
import os
import random
import re
import resource
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from conftest import REPOSITORY, SMALL, default_tree, override
from safetensors.torch import save_file

from pipeline import exits
from pipeline.files import InputError, ParamsError, atomic_file, atomic_folder, one_line, write_json
from pipeline.pretrain.loop import caught_signals

BIG = torch.zeros(100_000)


def message(work: Callable[[], object]) -> str:
    """The line for what `work` raises."""
    with pytest.raises(Exception) as raised:  # noqa: PT011
        work()
    line = exits.refused(raised.value)
    assert line is not None, raised.value
    return line


def save_torch(path: Path) -> None:
    torch.save(BIG, path)


def save_torch_to_handle(path: Path) -> None:
    with path.open("wb") as handle:
        torch.save(BIG, handle)


def save_safetensors(path: Path) -> None:
    save_file({"weights": BIG}, path)


def save_numpy(path: Path) -> None:
    np.save(path, BIG.numpy())


def save_numpy_archive(path: Path) -> None:
    np.savez(path, BIG.numpy())


def save_text(path: Path) -> None:
    path.write_text("0" * 400_000)


WRITERS = (save_torch, save_torch_to_handle, save_safetensors, save_numpy, save_numpy_archive, save_text)


@pytest.mark.parametrize("write", WRITERS)
def test_a_full_disk_is_one_line_that_names_the_output_whoever_writes(write, tmp_path):
    output = tmp_path / "weights.npz"

    def work() -> None:
        with atomic_file(output) as temporary:
            write(temporary)

    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, before[1]))  # writes fail as they do on a full disk
    try:
        line = message(work)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert line.startswith(f"the disk is full while writing {output} (") and "\n" not in line
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "write", [write for write in WRITERS if write is not save_numpy]
)  # that one adds a suffix
@pytest.mark.parametrize(("name", "number"), [("folder.npz", errno.EISDIR), ("w" * 300, errno.ENAMETOOLONG)])
def test_a_place_where_no_file_can_be_is_named_whoever_writes(write, name, number, tmp_path):
    (tmp_path / "folder.npz").mkdir()

    def work() -> None:
        with atomic_folder(tmp_path / "encoder"):
            write(tmp_path / name)

    line = message(work)
    assert line.endswith(exits.ADVICE[number]) and os.strerror(number).lower() in line.lower()
    assert line.startswith((f"{tmp_path / 'encoder'}: ", f"{tmp_path / name}")) and "\n" not in line


@pytest.mark.parametrize("number", [*exits.ADVICE, *exits.DISK_FULL])
def test_every_kind_is_one_line_that_names_the_file_and_what_to_do(number):
    line = exits.refused(OSError(number, os.strerror(number), "reports/index.html"))
    assert line is not None and "reports/index.html" in line and ";" in line
    assert os.strerror(number).lower() in line.lower()


def test_what_is_no_fault_of_the_system_keeps_its_traceback():
    for error in (
        ValueError("x"),
        RuntimeError("shape"),
        KeyError("os"),
        OSError("text"),
        OSError(9999, "x"),
    ):
        assert exits.refused(error) is None


@pytest.mark.parametrize("inside", ["metrics.json", "old.model/encoder/config.json"])
def test_the_hidden_folder_where_an_output_is_written_is_not_named(inside, tmp_path):
    place = tmp_path / inside.split("/")[0]
    with atomic_folder(place) as temporary:
        hidden = temporary.parent.parent
        for path in (temporary, hidden):
            deep = path / "/".join(inside.split("/")[1:])
            line = exits.refused(PermissionError(errno.EACCES, "Permission denied", str(deep)))
            assert line is not None and ".sparsejepa" not in line and str(place) in line


def test_a_real_refusal_is_named_by_the_output(tmp_path):
    (tmp_path / "reports").write_text("")
    line = message(lambda: write_json(tmp_path / "reports" / "metrics" / "probe.json", {}))
    assert line.startswith(f"{tmp_path}/reports") and "a file stands where a folder belongs" in line


def test_an_error_is_one_line_without_escapes_and_is_cut(capsys):
    assert exits.fail(InputError("a\nb\x1b[31m\r\udcff\u202e" + "x" * 5000)) == 1
    said = capsys.readouterr().err
    assert said.startswith("error: a b\\x1b[31m \\udcff\\u202ex") and said.count("\n") == 1
    assert len(said) <= 500 + len("error: \n") and "x ... x" in said
    assert one_line("μ = 3, “quoted”, 漢字") == "μ = 3, “quoted”, 漢字"


def test_mistakes_in_params_are_a_line_each(capsys):
    assert exits.fail(ParamsError("probe.l2: 0\nprobe.bootstrap: 1")) == 2
    assert capsys.readouterr().err.splitlines() == ["error: probe.l2: 0", "probe.bootstrap: 1"]


def program(body: str) -> "subprocess.CompletedProcess[str]":
    """A process that calls `work` as a stage does."""
    script = f"import os, signal\nfrom stages import command\ndef work():\n{body}\ncommand.call(work)"
    return subprocess.run(
        [sys.executable, "-c", script], cwd=REPOSITORY, capture_output=True, text=True, timeout=60
    )


@pytest.mark.parametrize("name", ["SIGTERM", "SIGINT"])
@pytest.mark.parametrize(
    "body",
    [
        "    os.kill(os.getpid(), signal.{name})\n    while True: pass",
        # Where Python lets no exception leave: it comes again.
        "    class Dies:\n        def __del__(self):\n            os.kill(os.getpid(), signal.{name})\n"
        "            for _ in range(10): pass\n"
        "    Dies()\n    while True: pass",
        # Where somebody catches everything: the work goes on, and its status says what happened.
        "    try:\n        os.kill(os.getpid(), signal.{name})\n        for _ in range(10): pass\n"
        "    except BaseException:\n        pass",
    ],
)
def test_a_stop_is_one_line_wherever_it_arrives(body, name):
    done = program(body.format(name=name))
    shown = "Ctrl-C" if name == "SIGINT" else name
    assert done.returncode == 128 + getattr(signal, name), done.stderr
    assert done.stderr.startswith(f"error: stopped by {shown}") and len(done.stderr.splitlines()) == 1


def test_ctrl_c_in_an_import_that_evaluates_text_has_the_same_status(tmp_path):
    body = "from pipeline import exits\ndef work(): eval('[signal.raise_signal(2) for _ in range(3)]')\n"
    (tmp_path / "evaluates.py").write_text(f"import signal\n{body}raise SystemExit(exits.run(work))")
    variables = os.environ | {"PYTHONPATH": os.pathsep.join([str(REPOSITORY), str(tmp_path)])}
    command = [sys.executable, "-m", "evaluates"]
    done = subprocess.run(command, env=variables, capture_output=True, text=True)
    assert done.returncode == 130 and len(done.stderr.splitlines()) == 1, done.stderr


def test_a_signal_after_training_last_looked_is_not_lost():
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # not that of who runs the tests

    def train() -> None:
        with caught_signals():  # nobody looks at what it caught
            os.kill(os.getpid(), signal.SIGINT)

    try:
        with pytest.raises(KeyboardInterrupt):
            train()
    finally:
        signal.signal(signal.SIGINT, before)


def test_a_fork_ends_by_a_signal_without_a_word():
    done = program(
        "    read, write = os.pipe()\n    child = os.fork()\n"
        "    while not child: os.write(write, b'x')\n"
        "    os.read(read, 1)\n    os.kill(child, signal.SIGTERM)\n    print(os.waitpid(child, 0)[1])"
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, f"{int(signal.SIGTERM)}\n", "")


def test_output_that_nobody_reads_is_one_line():
    script = "from pipeline import exits; raise SystemExit(exits.run(lambda: print('x' * 100_000)))"
    process = subprocess.Popen(
        [sys.executable, "-c", script],
        cwd=REPOSITORY,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None and process.stderr is not None
    process.stdout.close()
    said = process.stderr.read()
    assert process.wait() == 1 and len(said.splitlines()) == 1 and said.startswith("error: ")


MODULES = ("stages", "stages.prepare", "stages.report", "pipeline", "pipeline.params")


@pytest.mark.parametrize("module", MODULES)
def test_outside_the_environment_one_line_says_what_to_do(module):
    words = {"stages": ["prepare"], "pipeline": ["sweep"]}.get(module, [])
    command = [sys.executable, "-S", "-m", module, *words]  # -S: without the libraries of the environment
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True)
    assert done.returncode == 1 and len(done.stderr.splitlines()) == 1, done.stderr
    assert "source .venv/bin/activate" in done.stderr


def handles_signals(process: "subprocess.Popen[str]") -> bool:
    """Whether the process has a handler for SIGTERM of its own, from Linux's account of it."""
    try:
        status = Path(f"/proc/{process.pid}/status").read_text()
    except OSError:
        return False
    caught = re.search(r"^SigCgt:\s*(\w+)", status, re.MULTILINE)
    return caught is not None and bool(int(caught[1], 16) >> (signal.SIGTERM - 1) & 1)


TRIES = 24  # of each command and signal


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize(
    "words", [("stages", "prepare"), ("stages.prepare",), ("pipeline", "sweep", "--help")]
)
def test_a_signal_at_any_moment_is_one_line_and_leaves_nothing_half_written(words, number, tmp_path):
    """Spread over the time that the command takes, which begins with its own first line."""
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(override(default_tree(), SMALL)))
    variables = os.environ | {"PYTHONPATH": str(REPOSITORY), "OMP_NUM_THREADS": "1"}
    spread = random.Random(0)

    def start() -> "subprocess.Popen[str]":
        process = subprocess.Popen(
            [sys.executable, "-m", *words],
            cwd=tmp_path,
            env=variables,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        )
        while process.poll() is None and not handles_signals(process):
            select.select([], [], [], 0.001)
        return process

    began = time.monotonic()
    start().communicate()
    whole = time.monotonic() - began
    ends = {"stopped": 0, "ended before": 0, "by the signal itself": 0, "lost": 0}
    for attempt in range(TRIES):
        process = start()
        select.select([], [], [], whole * (attempt + spread.random()) / TRIES)
        ended = process.poll() is not None
        process.send_signal(number)
        said = process.communicate(timeout=60)[1]
        lines = [line for line in said.splitlines() if " images" not in line]
        if process.returncode == 128 + number:
            assert len(lines) == 1 and lines[0].startswith("error: stopped by "), said
            ends["stopped"] += 1
        else:  # by the signal itself: while the interpreter ended
            assert process.returncode in (0, -number) and lines == [], said
            kind = "by the signal itself" if process.returncode else "ended before" if ended else "lost"
            ends[kind] += 1
        assert not list(tmp_path.rglob(".*sparsejepa"))
    print(f"{' '.join(words)}, {number.name}: {TRIES} tries, {ends}")
    # A few may have ended, but for their memory, between the look and the signal.
    assert ends["lost"] <= TRIES / 8 and ends["stopped"] >= TRIES / 3
