"""The matrix limit: how fast the matrix products of a training step run alone.

    python -m benchmarks.matmul

Prints GFLOP/s of every product of the step of benchmarks.peer. No training step can be faster than the time
that its products take at these rates.
"""

import argparse
from collections.abc import Sequence

import torch
import torch.nn.functional as F

from benchmarks.common import clock, interleaved, median
from pipeline.jepa.kernels import FusedLinear

WIDTH, DEPTH, PREDICTOR_WIDTH, PREDICTOR_DEPTH = 192, 6, 96, 3
PATCHES, TARGETS, BLOCK, PIXELS = 64, 4, 12, 48
WIDTHS = {"encoder": WIDTH, "predictor": PREDICTOR_WIDTH}
ROUNDS, ROWS = 5, 16384


def _transformer(tokens: int, sequence: int, width: int, depth: int) -> float:
    """FLOP of a forward pass of `tokens` tokens in sequences: 12 d^2 of weights and 2 s d of attention."""
    return 2 * tokens * depth * (12 * width**2 + 2 * sequence * width)


def step_gflop(num_context: int, joint: bool) -> float:
    """GFLOP an image of a training step.

    The target encoder runs forward. Context encoder and predictor run forward and back, which is twice that.
    """
    target = _transformer(PATCHES, PATCHES, WIDTH, DEPTH) + 2 * PATCHES * PIXELS * WIDTH
    context = _transformer(num_context, num_context, WIDTH, DEPTH) + 2 * num_context * PIXELS * WIDTH
    sequence = num_context + (TARGETS * BLOCK if joint else BLOCK)
    tokens = sequence * (1 if joint else TARGETS)
    predictor = _transformer(tokens, sequence, PREDICTOR_WIDTH, PREDICTOR_DEPTH)
    predictor += 2 * (num_context + TARGETS * BLOCK) * WIDTH * PREDICTOR_WIDTH
    return (target + 3 * (context + predictor)) / 1e9


def products(precision: str, device: torch.device, parts: Sequence[str] = tuple(WIDTHS)) -> dict[str, float]:
    """GFLOP/s of each linear map of the step, forward, by the faster of torch's two kernels for it."""
    dtype = torch.bfloat16 if precision == "bf16" else torch.float32
    shapes = {
        f"{part} {name}": (inputs, outputs)
        for part, width in [(part, WIDTHS[part]) for part in parts]
        for name, inputs, outputs in (
            ("qkv", width, 3 * width),
            ("projection", width, width),
            ("mlp in", width, 4 * width),
            ("mlp out", 4 * width, width),
        )
    }
    rates = {}
    for name, (inputs, outputs) in shapes.items():
        tokens = torch.randn(ROWS // PATCHES, PATCHES, inputs, device=device, dtype=dtype)
        linear = torch.nn.Linear(inputs, outputs, device=device, dtype=dtype)
        calls = {"linear": lambda t=tokens, m=linear: F.linear(t, m.weight, m.bias)}
        if device.type == "cpu":
            fused = FusedLinear(linear)
            calls["oneDNN"] = lambda t=tokens, m=fused: m(t)
        with torch.no_grad():
            seconds = interleaved(calls, ROUNDS, device)
        fastest = min(median(values, device) for values in seconds.values())
        rates[name] = 2e-9 * ROWS * inputs * outputs / fastest
    return rates


def peak_gflops(precision: str, device: torch.device) -> float:
    """GFLOP/s of a forward pass's linear maps of the encoder, weighted by their share of its operations."""
    rates = products(precision, device, ["encoder"])
    weights = {"qkv": 3, "projection": 1, "mlp in": 4, "mlp out": 4}
    return sum(weights.values()) / sum(share / rates[f"encoder {name}"] for name, share in weights.items())


def main() -> None:
    argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    ).parse_args()
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    for precision in ("bf16", "fp32"):
        print(f"{precision}, {clock(device)} seconds, {torch.get_num_threads()} threads")
        for product, rate in products(precision, device).items():
            print(f"  {product:24} {rate:8,.0f} GFLOP/s")


if __name__ == "__main__":
    main()
