"""Where a benchmark ran, and the files that keep its results: results/BENCHMARK/MACHINE.json and .md.

A speed means nothing without its machine, so each machine has a file of its own.
Its name is made of the processor's (or GPU's) model, the number of processor threads, and the matrix limit.
The matrix limit is how fast the matrix products of a training step run alone (benchmarks.matmul), in bfloat16
or float32, whichever is faster there.
"""

import os
import platform
import re
import shlex
import subprocess
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import torch
import torchvision

from benchmarks.common import clock
from benchmarks.matmul import peak_gflops
from pipeline.files import write_json
from pipeline.runtime import Runtime

RESULTS = Path(__file__).parent / "results"
NAME = re.compile(r"(.+-\d+-threads)-(\d+)-gflops")
SAME = 1.25  # limits whose ratio is below this are of one machine: a shared one's speed moves by a fifth


def machine_name(model: str, threads: int, gflops: float, known: Iterable[str]) -> str:
    """The machine's name, as in `amd-epyc-2-threads-778-gflops`.

    A machine of `known` names keeps its name where model and threads are equal and the matrix limits are
    alike. Of several such names the one with the nearest limit is taken.
    """
    prefix = f"{re.sub('[^a-z0-9]+', '-', model.lower()).strip('-')}-{threads}-threads"
    distances = {}
    for name in known:
        match = NAME.fullmatch(name)
        if match and match[1] == prefix:
            limit = float(match[2])
            distances[name] = max(limit / gflops, gflops / limit)
    nearest = min(distances, key=lambda name: distances[name], default=None)
    if nearest is not None and distances[nearest] < SAME:
        return nearest
    return f"{prefix}-{gflops:.0f}-gflops"


def machine(runtime: Runtime) -> dict[str, Any]:
    """The machine's name, its matrix limits in GFLOP/s, versions and commit. Takes some seconds."""
    threads = torch.get_num_threads()
    content = {
        "device": f"{runtime.device.type}: {runtime.describe()}",
        "threads": threads,
        "clock": clock(runtime.device),
        "torch": torch.__version__,
        "torchvision": torchvision.__version__,
        "python": platform.python_version(),
        "commit": _commit(),
    }
    model = re.sub(r", \d+ threads?$", "", runtime.describe())
    available = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    torch.set_num_threads(available)  # the limit is the machine's, whatever this benchmark uses of it
    limits = {precision: peak_gflops(precision, runtime.device) for precision in ("bf16", "fp32")}
    torch.set_num_threads(threads)
    known = [path.stem for path in RESULTS.glob("*/*.json")]
    return {"name": machine_name(model, available, max(limits.values()), known), "gflops": limits} | content


def command_line() -> str:
    """The command that was typed."""
    specification = sys.modules["__main__"].__spec__
    assert specification is not None  # python -m
    return f"python -m {specification.name} {shlex.join(sys.argv[1:])}".rstrip()


def save(
    benchmark: str, title: str, runtime: Runtime, rounds: int, content: dict[str, Any], lines: Sequence[str]
) -> Path:
    """Write the JSON and the page of this machine, and print the page; `lines` are what it says.

    Returns the page's path.
    """
    where, command = machine(runtime), content.get("command") or command_line()
    page = RESULTS / benchmark / f"{where['name']}.md"
    page.parent.mkdir(exist_ok=True)
    write_json(
        page.with_suffix(".json"),
        {"command": command, "title": title, "machine": where, "rounds": rounds} | content,
    )
    head = [
        f"Machine: `{where['name']}` ({where['device']}).",
        f"The matrix products of a training step ran alone at {where['gflops']['bf16']:,.0f} GFLOP/s in bf16 "
        f"and {where['gflops']['fp32']:,.0f} in fp32.",
        f"Command: `{command}`, commit {where['commit']}, torch {where['torch']}, Python {where['python']}.",
        f"Times are {where['clock']} seconds, medians of {rounds} rounds in which the calls took turns.",
        "The command wrote this page.",
    ]
    text = "\n".join([f"# {title}", "", *head, "", *lines, ""])
    page.write_text(text)
    print(text)
    return page


def _commit() -> str:
    """Git's short commit, with "+changes" where the tree differs from it."""
    words = ("git", "-C", str(RESULTS), "describe", "--always", "--exclude=*", "--dirty=+changes")
    done = subprocess.run(words, capture_output=True, text=True)
    return done.stdout.strip() or "unknown"
