"""`python -m benchmarks.step`: images/s of a training step, one change at a time, all in one run.

Ratios to the first row are what to quote: a machine that others share makes the absolute numbers lie.
"""

import time
from pathlib import Path

import numpy as np
import torch
from timm.layers.attention import Attention

from pipeline import params
from pipeline.params import Params
from pipeline.training.loop import Pretraining
from pipeline.training.runtime import resolve

ROUNDS, STEPS = 5, 10


def build(changes: dict[str, dict[str, object]]) -> Pretraining:
    """The default run with some sections changed, on random images."""
    chosen = params.load(Path("params.yaml")).model_dump(mode="json")
    for section, values in changes.items():
        chosen[section] |= values
    checked = Params.model_validate(chosen)
    return Pretraining(checked, checked.augment, (0.5,) * 3, (0.25,) * 3, resolve(checked.runtime))


def fused_attention(run: Pretraining) -> Pretraining:
    for module in run.jepa.modules():
        if isinstance(module, Attention):
            module.fused_attn = True  # pyright: ignore[reportAttributeAccessIssue]
    return run


def main() -> None:
    runs = {
        "default": build({}),
        "fp32": build({"runtime": {"precision": "fp32"}}),
        "torch's fused attention": fused_attention(build({})),
        "one pass per target block": build(
            {"model": {"predictor": {"embed_dim": 64, "depth": 2, "num_heads": 4, "joint": False}}}
        ),
        "no crop, no flip": build({"augment": {"crop_scale": [1, 1], "crop_ratio": [1, 1], "flip": False}}),
        "no sparsity": build({"sparsity": {"method": "none"}}),
        **{method: build({"sparsity": {"method": method}}) for method in ("group_lasso", "rdmreg", "topk")},
        "learned groups": build({"sparsity": {"assignment": "learned"}}),
        "no regulariser": build({"regularizer": {"name": "none"}}),
        "16 pixels more a side": build({"data": {"image_size": 48}}),
    }
    seconds: dict[str, list[float]] = {name: [] for name in runs}
    for _ in range(ROUNDS + 1):  # interleaved, so that a busy moment hits all; the first round warms up
        for name, run in runs.items():
            size = run.params.data.image_size
            shape = (run.params.pretrain.batch_size, size, size, 3)
            batch = torch.randint(0, 256, shape, dtype=torch.uint8, device=run.runtime.device)
            began = time.perf_counter()
            for step in range(STEPS):
                terms = run.train_step(batch, step)
            terms["grad_norm"].item()  # waits for a GPU
            seconds[name].append((time.perf_counter() - began) / STEPS)
    first = np.median(seconds["default"][1:])
    runtime = runs["default"].runtime
    print(f"{runtime.device.type}: {runtime.describe()}, {runtime.precision}, torch {torch.__version__}")
    for name, values in seconds.items():
        median = float(np.median(values[1:]))
        rate = runs[name].params.pretrain.batch_size / median
        print(f"{name:28} {rate:10,.0f} images/s  {first / median:5.2f} x the default's speed")


if __name__ == "__main__":
    main()
