"""The speed of a training step of the default, and with one change at a time.

    python -m benchmarks.step

All settings are timed in turns in one process. Quote the ratios to the first row: absolute rates move with
the load of the machine.
"""

import argparse
from collections.abc import Callable

import torch
from timm.layers.attention import Attention
from torch import nn

from benchmarks.common import Trainer, build, interleaved, median
from benchmarks.record import save
from pipeline.jepa.kernels import FusedLinear

STEPS = 10


def fused_attention(run: Trainer) -> Trainer:
    """The run with torch's fused attention kernel."""
    for module in run.jepa.modules():
        if isinstance(module, Attention):
            module.fused_attn = True  # pyright: ignore[reportAttributeAccessIssue]
    return run


def torchs_linear(run: Trainer) -> Trainer:
    """The run with torch's own linear maps and GELU: it undoes `fit_kernels`."""
    for parent in list(run.jepa.modules()):
        for name, child in list(parent.named_children()):
            if type(child) is FusedLinear:
                plain = nn.Linear(child.in_features, child.out_features)
                plain.weight, plain.bias = child.weight, child.bias
                setattr(parent, name, plain)
                if child.activates:
                    parent.act = nn.GELU()  # pyright: ignore[reportAttributeAccessIssue]
    return run


def steps_of(run: Trainer) -> Callable[[], object]:
    """A call that trains STEPS steps on random images."""
    size = run.params.data.image_size
    shape = (run.params.pretrain.batch_size, size, size, 3)
    batch = torch.randint(0, 256, shape, dtype=torch.uint8, device=run.runtime.device)
    return lambda: [run.train_step(batch, step) for step in range(STEPS)]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--threads", type=int, default=0, help="0: all that the machine gives")
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    threads = {"threads": arguments.threads}

    def changed(**sections: dict[str, object]) -> Trainer:
        """The default with some sections changed."""
        runtime = threads | sections.pop("runtime", {})
        return build({**sections, "runtime": runtime})

    whole = {"crop_scale": [1, 1], "crop_ratio": [1, 1], "flip": False}
    blocks = {"embed_dim": 64, "depth": 2, "num_heads": 4, "joint": False}
    runs = {
        "default": changed(),
        "fp32": changed(runtime={"precision": "fp32"}),
        "fp32, torch's linear maps": torchs_linear(changed(runtime={"precision": "fp32"})),
        "torch's fused attention": fused_attention(changed()),
        "one pass per target block": changed(model={"predictor": blocks}),
        "no crop, no flip": changed(augment=whole),
        "no sparsity": changed(sparsity={"method": "none"}),
        **{method: changed(sparsity={"method": method}) for method in ("group_lasso", "rdmreg", "topk")},
        "learned groups": changed(sparsity={"assignment": "learned"}, regularizer={"name": "vicreg"}),
        "the dense twin": changed(sparsity={"method": "none"}, regularizer={"name": "vicreg"}),
        "no regulariser": changed(regularizer={"name": "none"}),
        "16 pixels more a side": changed(data={"image_size": 48}),
    }
    runtime = runs["default"].runtime
    calls = {name: steps_of(run) for name, run in runs.items()}
    seconds = interleaved(calls, arguments.rounds, runtime.device)
    rates = {
        name: STEPS * run.params.pretrain.batch_size / median(seconds[name], runtime.device)
        for name, run in runs.items()
    }
    lines = ["| | images/s | times the default's speed |", "|---|--:|--:|"]
    lines += [f"| {name} | {rate:,.0f} | {rate / rates['default']:.2f} |" for name, rate in rates.items()]
    content = {
        "precision": runtime.precision,
        "images_per_second": rates,
        **{f"ratio_{name}": rate / rates["default"] for name, rate in rates.items()},
    }
    title = "A training step of the default, one change at a time"
    save("step", title, runtime, arguments.rounds, content, lines)


if __name__ == "__main__":
    main()
