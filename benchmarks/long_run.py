"""Whether a long run keeps its memory and its file handles: one look at each row of the history.

    python -m benchmarks.long_run --steps 5000

It trains a small run on generated scenes as the stage `pretrain` does, with monitors, states and history.
A slope is that of a straight line through the second half of the looks, where caches are full.
Writes results/long_run/MACHINE.json and .md.
"""

import argparse
import tempfile
from pathlib import Path

import numpy as np
import psutil

from benchmarks.common import DEFAULTS
from benchmarks.record import save
from pipeline import params
from pipeline.data import augment
from pipeline.data.store import open_set
from pipeline.layout import DATA
from pipeline.params import Params
from pipeline.pretrain.loop import train
from pipeline.pretrain.run import build_run
from pipeline.runtime import resolve
from stages import prepare

SMALL = {
    "model": {"embed_dim": 64, "depth": 2, "num_heads": 2},
    "sparsity": {"groups": 8, "latent_dim": 16},
    "runtime": {"device": "cpu", "threads": 1, "checkpoint_seconds": 5.0},
}


def small_params(steps: int) -> Params:
    """The default with a small model and small sets."""
    tree = params.load(DEFAULTS).model_dump(mode="json", by_alias=True)
    for section, values in SMALL.items():
        tree[section] |= values
    tree["data"]["scenes"] |= {"num_train": 2000, "num_test": 200}
    tree["pretrain"] |= {"steps": steps, "batch_size": 32, "history_every": 50, "monitor_every": 250}
    tree["pretrain"] |= {"monitor_images": 500}
    return Params.model_validate(tree)


def looks(run_params: Params, root: Path) -> np.ndarray:
    """(looks, 3): steps done, MiB of resident memory, open files."""
    prepare.main(run_params, root)
    images = open_set(root / DATA / run_params.data.name)
    allowed, _ = augment.allowed(run_params.augment, images.labels)
    run = build_run(run_params, allowed, images, root / "runs", resolve(run_params.runtime))
    process, rows = psutil.Process(), []

    def look(_history: object) -> None:
        rows.append((run.trainer.step, process.memory_info().rss / 2**20, process.num_fds()))

    train(run._replace(show_history=look))
    return np.array(rows)


def slope(steps: np.ndarray, values: np.ndarray) -> float:
    """Growth in a thousand steps, over the second half."""
    half = len(steps) // 2
    return float(np.polyfit(steps[half:], values[half:], 1)[0]) * 1000


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--steps", type=int, default=5000)
    run_params = small_params(parser.parse_args().steps)
    with tempfile.TemporaryDirectory() as folder:
        steps, memory, files = looks(run_params, Path(folder)).T
    content = {
        "steps": steps.tolist(),
        "memory_mib": memory.tolist(),
        "open_files": files.tolist(),
        "memory_mib_per_1000_steps": slope(steps, memory),
        "open_files_per_1000_steps": slope(steps, files),
    }
    quarter = len(steps) // 4
    lines = [
        "| | after a quarter | at the end | growth in 1,000 steps |",
        "|---|--:|--:|--:|",
        *(
            f"| {name} | {values[quarter]:,.0f} | {values[-1]:,.0f} | {slope(steps, values):+.2f} |"
            for name, values in (("resident memory, MiB", memory), ("open files", files))
        ),
    ]
    title = f"Memory and file handles over {steps[-1]:,.0f} steps"
    save("long_run", title, resolve(run_params.runtime), 1, content, lines)


if __name__ == "__main__":
    main()
