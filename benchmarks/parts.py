"""Where the time of a training step goes, by part.

    python -m benchmarks.parts --threads 1

Two runs are timed: the default of params.yaml, and one of the size of benchmarks.peer (16 context patches, no
sparse module). Every part is timed around its call. What lies between the parts is the row `rest`.
"""

import argparse
from collections import defaultdict
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any
from unittest import mock

import numpy as np
import torch
from torch import Tensor, nn

from benchmarks.common import Trainer, build, clock, step_module, timed
from benchmarks.peer import MODEL, PLAIN, PREDICTOR
from benchmarks.record import save
from pipeline.jepa import masking, objective

PEER = PLAIN | {
    "model": MODEL | {"predictor": PREDICTOR | {"joint": True}},
    "masking": {"num_targets": 4, "target_sizes": [[4, 3]], "num_context": 16},
    "pretrain": {"batch_size": 256},
}


def parts_of(run: Trainer, steps: int) -> dict[str, float]:
    """Median seconds of each part over `steps` steps, after one that is not counted."""
    device = run.runtime.device
    size, batch_size = run.params.data.image_size, run.params.pretrain.batch_size
    batch = torch.randint(0, 256, (batch_size, size, size, 3), dtype=torch.uint8, device=device)
    taken: dict[str, float] = defaultdict(float)

    def watched(name: str | Callable[..., str], call: Callable[..., Any]) -> Callable[..., Any]:
        def measured(*values: Any, **named: Any) -> Any:
            results: list[Any] = []
            seconds = timed(lambda: results.append(call(*values, **named)), device)
            taken[name if isinstance(name, str) else name(*values)] += getattr(seconds, clock(device))
            return results[0]

        return measured

    def encoder(module: nn.Module, *_: object) -> str:
        return "target encoder" if module is run.jepa.target_encoder else "context encoder, forward"

    rows: list[dict[str, float]] = []
    with ExitStack() as stack:
        for owner, attribute, name in (
            (step_module, "normalise", "pixels to floats, crops, flips"),
            (step_module, "augment_batch", "pixels to floats, crops, flips"),
            (masking, "sample", "masks"),
            (objective, "encode", encoder),
            (objective, "prediction_loss", "losses, forward"),
            (objective, "vicreg", "losses, forward"),
            (run.jepa.predictor, "forward", "predictor, forward"),
            (Tensor, "backward", "backward"),
            (nn.utils, "clip_grad_norm_", "clipping"),
            (run.optimizer, "step", "AdamW"),
            (step_module, "update_target", "EMA"),
        ):
            stack.enter_context(mock.patch.object(owner, attribute, watched(name, getattr(owner, attribute))))
        if run.model.method is not None:
            method = watched("sparse module, forward", run.model.method.forward)
            stack.enter_context(mock.patch.object(run.model.method, "forward", method))
        for step in range(steps + 1):
            taken.clear()
            whole = getattr(timed(lambda s=step: run.train_step(batch, s), device), clock(device))
            rows.append({**taken, "rest": whole - sum(taken.values()), "step": whole})
    return {name: float(np.median([row[name] for row in rows[1:]])) for name in rows[-1]}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--device", default="auto")
    parser.add_argument("--threads", type=int, default=0, help="0: all that the machine gives")
    parser.add_argument("--steps", type=int, default=8)
    arguments = parser.parse_args()
    where = {"runtime": {"device": arguments.device, "threads": arguments.threads}}
    runs = {"default": build(where), "peer's size": build(PEER | where)}
    seconds = {name: parts_of(run, arguments.steps) for name, run in runs.items()}
    lines = ["| share of the step, % | " + " | ".join(seconds) + " |", "|---|" + "--:|" * len(seconds)]
    for part in (name for name in seconds["default"] if name != "step"):
        shares = (f"{100 * row[part] / row['step']:.1f}" if part in row else "–" for row in seconds.values())
        lines.append(f"| {part} | " + " | ".join(shares) + " |")
    rates = {name: run.params.pretrain.batch_size / seconds[name]["step"] for name, run in runs.items()}
    lines.append("| images/s | " + " | ".join(f"{rate:,.0f}" for rate in rates.values()) + " |")
    runtime = runs["default"].runtime
    content = {"precision": runtime.precision, "seconds": seconds, "images_per_second": rates}
    save("parts", "Parts of a training step", runtime, arguments.steps, content, lines)


if __name__ == "__main__":
    main()
