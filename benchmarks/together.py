"""Several runs that train together in one process (pipeline.pretrain.parallel.together) beside one run.

    python -m benchmarks.together                      # on a GPU: 16 ViT-Ti/4, batch 128
    python -m benchmarks.together --models small default --cells 4 16

Needs what benchmarks.gpu needs. The runs differ in seed and lambda.
`times one` is the time of a step of all runs over that of a step of one run.
`rate` is the images a second of all runs over those of one run.
"""

import argparse
from typing import Any

import torch

from benchmarks.common import build, interleaved, median
from benchmarks.record import save
from pipeline.pretrain.parallel.together import StackedTrainer

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


def measure(name: str, cells: int, arguments: argparse.Namespace) -> dict[str, float]:
    """Seconds of a step of one run ("one") and of `cells` runs together ("all")."""
    options = ("device", "threads", "compile")
    sections = MODELS[name] | {"runtime": {option: getattr(arguments, option) for option in options}}

    def member(number: int) -> dict[str, Any]:
        pretrain = sections.get("pretrain", {}) | {"seed": number // 4}
        sparsity = sections.get("sparsity", {}) | {"lambda": 0.1 * (number % 4)}
        return sections | {"pretrain": pretrain, "sparsity": sparsity}

    single = build(sections)
    together, device = (
        StackedTrainer([build(member(number)) for number in range(cells)]),
        single.runtime.device,
    )
    size, images = single.params.data.image_size, single.params.pretrain.batch_size
    batch = torch.randint(0, 256, (images, size, size, 3), dtype=torch.uint8, device=device)

    def step_one() -> None:
        for step in range(arguments.steps):
            single.train_step(batch, step)

    def step_all() -> None:
        for step in range(arguments.steps):
            together.train_steps([batch] * cells, step)

    seconds = interleaved({"one": step_one, "all": step_all}, arguments.rounds, device)
    return {kind: median(values, device) / arguments.steps for kind, values in seconds.items()}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--device", default="auto")
    parser.add_argument("--models", nargs="+", choices=MODELS, default=["tiny"])
    parser.add_argument("--cells", nargs="+", type=int, default=[16], help="how many runs train together")
    parser.add_argument("--steps", type=int, default=5)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=0, help="0: all that the machine gives")
    parser.add_argument("--compile", action="store_true")
    arguments = parser.parse_args()
    runtime = build({"runtime": {"device": arguments.device, "threads": arguments.threads}}).runtime
    lines = ["| | runs | times one | rate |", "|---|--:|--:|--:|"]
    ratios: dict[str, float] = {}
    for name in arguments.models:
        for cells in arguments.cells:
            seconds = measure(name, cells, arguments)
            times = seconds["all"] / seconds["one"]
            ratios |= {f"ratio_{cells}_{name}_to_one": times, f"seconds_one_{name}": seconds["one"]}
            lines.append(f"| {NAMES[name]} | {cells} | {times:.2f} | {cells / times:.2f} |")
    content = {"precision": runtime.precision, "compiled": arguments.compile, **ratios}
    save("together", "Runs trained together", runtime, arguments.rounds, content, lines)


if __name__ == "__main__":
    main()
