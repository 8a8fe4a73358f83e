"""Several runs trained in one process (pipeline.pretrain.parallel.together) beside one run.

    python -m benchmarks.together                      # on a GPU: 16 ViT-Ti/4, batch 128
    python -m benchmarks.together --models small default --cells 4 16

Needs what benchmarks.gpu needs. The runs differ in seed and lambda. `times one`: seconds of a step of all
over those of one; `rate`: images of all per second over images of one per second.
"""

import argparse
from typing import Any

import torch

from benchmarks.common import build, interleaved, machine, median, save
from pipeline.pretrain.parallel.together import Together

TINY = {"patch_size": 4, "embed_dim": 192, "depth": 12, "num_heads": 3}
MODELS: dict[str, dict[str, Any]] = {
    "tiny": {
        "model": TINY | {"predictor": {"embed_dim": 96, "depth": 6, "num_heads": 3, "joint": True}},
        "masking": {"num_targets": 4, "target_sizes": [[4, 3]], "num_context": 16},
    },
    "default": {},
    "small": {
        "model": {"embed_dim": 32, "depth": 2, "num_heads": 2},
        "sparsity": {"groups": 8},
        "pretrain": {"batch_size": 16},
    },
}
NAMES = {"tiny": "ViT-Ti/4, batch 128", "default": "default, batch 128", "small": "width 32, batch 16"}


def measure(name: str, cells: int, given: argparse.Namespace) -> dict[str, float]:
    """Seconds of a step of one run and of `cells` runs."""
    where = {"runtime": {"device": given.device, "threads": given.threads, "compile": given.compile}}
    chosen = MODELS[name] | where

    def own(at: int) -> dict[str, Any]:
        pretrain = chosen.get("pretrain", {}) | {"seed": at // 4}
        return chosen | {
            "pretrain": pretrain,
            "sparsity": chosen.get("sparsity", {}) | {"lambda": 0.1 * (at % 4)},
        }

    one, many = build(chosen), [build(own(at)) for at in range(cells)]
    together, device = Together(many), one.runtime.device
    size, images = one.params.data.image_size, one.params.pretrain.batch_size
    batch = torch.randint(0, 256, (images, size, size, 3), dtype=torch.uint8, device=device)

    def alone() -> None:
        for step in range(given.steps):
            one.train_step(batch, step)

    def all_at_once() -> None:
        for step in range(given.steps):
            together.step([batch] * cells, step)

    seconds = interleaved({"one": alone, "all": all_at_once}, given.rounds, device)
    return {kind: median(values, device) / given.steps for kind, values in seconds.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--models", nargs="+", choices=MODELS, default=["tiny"])
    parser.add_argument("--cells", nargs="+", type=int, default=[16])
    parser.add_argument("--steps", type=int, default=5)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=0)
    parser.add_argument("--compile", action="store_true")
    given = parser.parse_args()
    runtime = build({"runtime": {"device": given.device, "threads": given.threads}}).runtime
    lines = ["| | runs | times one | rate |", "|---|--:|--:|--:|"]
    ratios: dict[str, float] = {}
    for name in given.models:
        for cells in given.cells:
            seconds = measure(name, cells, given)
            times = seconds["all"] / seconds["one"]
            ratios |= {f"ratio_{cells}_{name}_to_one": times, f"seconds_one_{name}": seconds["one"]}
            lines.append(f"| {NAMES[name]} | {cells} | {times:.2f} | {cells / times:.2f} |")
    content = {
        "title": "Runs trained together",
        "machine": machine(runtime),
        "rounds": given.rounds,
        "precision": runtime.precision,
        "compiled": given.compile,
        **ratios,
    }
    models, counts = " ".join(given.models), " ".join(map(str, given.cells))
    kind = "gpu" if runtime.device.type == "cuda" else "cpu"
    save(
        f"together-{kind}",
        f"python -m benchmarks.together --models {models} --cells {counts}",
        content,
        lines,
    )


if __name__ == "__main__":
    main()
