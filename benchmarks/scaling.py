"""How time and memory of a training step grow with one dial of the default at a time.

    python -m benchmarks.scaling --threads 1

Each point runs in a forked process, so that the peak of resident memory is its own, imports included.
Writes results/scaling/MACHINE.json, .md and .svg.
"""

import argparse
import multiprocessing
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
import torch
import yaml
from matplotlib.figure import Figure

from benchmarks.common import DEFAULTS, build, median, timed
from benchmarks.record import save
from pipeline.pretrain.batches import Batches
from pipeline.pretrain.tracking import peak_memory_mb
from pipeline.report.figures import LIGHT, STYLE
from pipeline.runtime import Runtime

CURVES: dict[str, tuple[int, ...]] = {
    "images": (1_000, 10_000, 100_000, 400_000),
    "image size": (32, 48, 64, 96),
    "embed_dim": (64, 128, 256, 384),
    "batch": (32, 128, 512),
    "groups": (4, 16, 64),
    "workers": (1, 2),
}


def changes(curve: str, value: int, where: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """The sections of params that a point changes."""
    sections: dict[str, dict[str, Any]] = {"runtime": where}
    match curve:
        case "image size":
            sections["data"] = {"image_size": value}
        case "embed_dim":
            sections["model"] = {"embed_dim": value, "num_heads": value // 32}
        case "batch":
            sections["pretrain"] = {"batch_size": value}
        case "groups":
            sections["sparsity"] = {"groups": value}
    return sections


def point(curve: str, value: int, where: dict[str, Any], steps: int) -> tuple[float, float]:
    """Seconds an image and peak MiB of this process."""
    if curve == "workers":
        return prepare(value)
    run = build(changes(curve, value, where))
    device, params = run.runtime.device, run.params
    size, batch_size = params.data.image_size, params.pretrain.batch_size
    number = value if curve == "images" else 4 * batch_size
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "images.npy"
        with path.open("wb") as file:  # real bytes: a sparse file is read faster
            shape = (number, size, size, 3)
            header = {"descr": "|u1", "fortran_order": False, "shape": shape}
            np.lib.format.write_array_header_1_0(file, header)
            for start in range(0, number, 1000):
                file.write(bytes([1 + start % 255]) * 3 * size**2 * min(1000, number - start))
        images = np.load(path, mmap_mode="r")
        batches = Batches(images, np.arange(number), batch_size, 0, device).from_step(0, steps + 1)
        seconds = [
            timed(lambda s=step: run.train_step(next(batches), s), device) for step in range(steps + 1)
        ]
    return median(seconds[1:], device) / batch_size, peak_memory_mb(device)


def _child(pipe: Any, arguments: tuple[str, int, dict[str, Any], int]) -> None:
    pipe.send(point(*arguments))


def in_child(*arguments: Any) -> tuple[float, float]:
    """`point` in a forked process."""
    context = multiprocessing.get_context("fork")
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=_child, args=(sender, arguments))
    process.start()
    sender.close()
    measured = receiver.recv()
    process.join()
    return measured


def prepare(workers: int) -> tuple[float, float]:
    """The stage `prepare` on the default's scenes: wall seconds an image, and its peak MiB."""
    tree = yaml.safe_load(DEFAULTS.read_text())
    tree["runtime"]["workers"] = workers
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "params.yaml").write_text(yaml.safe_dump(tree))
        began = time.perf_counter()
        subprocess.run(
            [sys.executable, "-m", "stages.prepare"],
            cwd=folder,
            env=os.environ | {"PYTHONPATH": str(DEFAULTS.parent)},
            capture_output=True,
            check=True,
        )
        taken = time.perf_counter() - began
    scenes = tree["data"]["scenes"]
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 2**10
    return taken / (scenes["num_train"] + scenes["num_test"]), peak


def draw(curves: dict[str, dict[int, tuple[float, float]]], path: Path) -> None:
    """Time above, memory below, a column per curve of the training step."""
    shown = {curve: points for curve, points in curves.items() if curve != "workers"}
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(2.1 * len(shown), 4.2), layout="constrained", facecolor=LIGHT["ground"])
        grid = figure.subplots(2, len(shown), squeeze=False, sharex="col", sharey="row")
        for column, (curve, points) in enumerate(shown.items()):
            places = range(len(points))
            for row, scale in ((0, 1e6), (1, 1.0)):
                values = [scale * pair[row] for pair in points.values()]
                grid[row, column].plot(places, values, marker="o", ms=4, color=LIGHT["encoder"])
            names = [f"{value // 1000}k" if value >= 1000 else str(value) for value in points]
            grid[1, column].set_xticks(places, names)
            grid[0, column].set_title(curve, loc="left")
        for row, label in enumerate(("µs an image", "peak MiB")):
            grid[row, 0].set_ylabel(label)
            grid[row, 0].set_ylim(bottom=0)
        figure.savefig(path, metadata={"Date": None})


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--steps", type=int, default=5)
    arguments = parser.parse_args()
    where = {"device": arguments.device, "threads": arguments.threads}
    torch.set_num_threads(arguments.threads)
    curves = {
        curve: {value: in_child(curve, value, where, arguments.steps) for value in values}
        for curve, values in CURVES.items()
    }
    lines = ["| dial | value | µs an image | peak MiB |", "|---|--:|--:|--:|"]
    for curve, points in curves.items():
        for value, (seconds, memory) in points.items():
            lines.append(f"| {curve} | {value:,} | {1e6 * seconds:,.0f} | {memory:,.0f} |")
    lines += [
        "",
        "`workers`: the stage prepare on the default's scenes, in wall seconds. The others: a training step.",
    ]
    content = {
        "points": {
            curve: {
                str(value): {"seconds_per_image": seconds, "peak_mb": memory}
                for value, (seconds, memory) in points.items()
            }
            for curve, points in curves.items()
        }
    }
    title = "Scaling of the default, one dial at a time"
    runtime = Runtime(torch.device(arguments.device), "auto")
    page = save("scaling", title, runtime, arguments.steps, content, lines)
    draw(curves, page.with_suffix(".svg"))


if __name__ == "__main__":
    main()
