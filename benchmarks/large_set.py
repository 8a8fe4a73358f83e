"""What a very large set costs in `prepare` and `pretrain`: images per second and anonymous memory.

    python -m benchmarks.large_set --num-images 1000000

Anonymous memory (RssAnon) is memory that a process cannot give back. Pages of a memory-mapped file are no
part of it. Linux only. Everything is written to a temporary folder and removed.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import yaml

from pipeline.params import Params
from pipeline.prepare.workers import num_workers

REPOSITORY = Path(__file__).parents[1]
SAMPLE_SECONDS = 0.05
PRETRAIN_STEPS = 300  # each reads a random batch from anywhere in the set


@dataclass(frozen=True)
class Cost:
    """seconds: wall time. peak_memory: largest sum of anonymous bytes of this process and its children."""

    seconds: float
    peak_memory: int


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--num-images", type=int, default=1_000_000)
    parser.add_argument("--variant", default="textured")
    parser.add_argument("--image-size", type=int, default=32)
    parser.add_argument("--workers", type=int, default=0, help="0: one per core")
    parser.add_argument("--folder", type=Path, help="where the temporary folder is made")
    arguments = parser.parse_args()
    params = large_params(arguments.num_images, arguments.variant, arguments.image_size, arguments.workers)
    with tempfile.TemporaryDirectory(dir=arguments.folder) as folder:
        (Path(folder) / "params.yaml").write_text(
            yaml.safe_dump(params.model_dump(mode="json", by_alias=True))
        )
        measure_prepare(params, Path(folder))
        measure_pretrain(params, Path(folder))


def large_params(num_images: int, variant: str, image_size: int, workers: int) -> Params:
    """params.yaml with a generated set of `num_images` training images."""
    content = yaml.safe_load((REPOSITORY / "params.yaml").read_text())
    scenes = {"variant": variant, "num_train": num_images, "num_test": 1000}
    content["data"] |= {"name": "scenes", "image_size": image_size, "scenes": scenes}
    content["runtime"]["workers"] = workers
    content["pretrain"]["steps"] = PRETRAIN_STEPS
    return Params.model_validate(content)


def measure_prepare(params: Params, folder: Path) -> None:
    """Prepare the set in `folder` and print what it cost."""
    cost = measure(lambda: run_stage("prepare", folder))
    num_images = params.data.scenes.num_train + params.data.scenes.num_test
    stored = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    print(
        f"prepare: {num_images:,} images in {cost.seconds:.1f} s, {num_images / cost.seconds:,.0f} images/s, "
        f"{num_workers(params.runtime.workers)} workers; peak anonymous memory "
        f"{cost.peak_memory / 2**20:.0f} MiB; {stored / 2**30:.2f} GiB stored"
    )


def measure_pretrain(params: Params, folder: Path) -> None:
    """Pretrain a few steps on the set prepared in `folder` and print what it cost."""
    cost = measure(lambda: run_stage("pretrain", folder))
    images_seen = params.pretrain.steps * params.pretrain.batch_size
    print(
        f"pretrain: {images_seen:,} of {params.data.scenes.num_train:,} images in {cost.seconds:.1f} s; "
        f"peak anonymous memory {cost.peak_memory / 2**20:.0f} MiB"
    )


def run_stage(name: str, folder: Path) -> None:
    """Run a stage as a user does: in a process of its own, in the folder of its params.yaml."""
    subprocess.run(
        [sys.executable, "-m", f"stages.{name}"],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(REPOSITORY)},
        stdout=subprocess.DEVNULL,
        check=True,
    )


def measure(work: Callable[[], None]) -> Cost:
    """Run `work` while a thread samples the anonymous memory of this process and its children."""
    peak = anonymous_memory()
    done = threading.Event()

    def sample() -> None:
        nonlocal peak
        while not done.wait(SAMPLE_SECONDS):
            peak = max(peak, anonymous_memory())

    sampler = threading.Thread(target=sample, daemon=True)
    sampler.start()
    start = time.perf_counter()
    try:
        work()
    finally:
        seconds = time.perf_counter() - start
        done.set()
        sampler.join()
    return Cost(seconds, peak)


def anonymous_memory() -> int:
    """Bytes of RssAnon of this process and all its descendants, summed."""
    parents: dict[int, int] = {}
    memory: dict[int, int] = {}
    for status in Path("/proc").glob("[0-9]*/status"):
        try:
            lines = dict(line.split(":", 1) for line in status.read_text().splitlines() if ":" in line)
        except OSError:  # it ended while we looked
            continue
        pid = int(status.parent.name)
        parents[pid] = int(lines["PPid"])
        memory[pid] = int(lines.get("RssAnon", "0 kB").split()[0]) * 1024
    return sum(size for pid, size in memory.items() if _descends(pid, parents))


def _descends(pid: int, parents: dict[int, int]) -> bool:
    while pid and pid != os.getpid():
        pid = parents.get(pid, 0)
    return pid != 0


if __name__ == "__main__":
    main()
