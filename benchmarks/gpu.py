"""Speed and memory of training on a GPU, and the share of the time that the data path takes.

    python -m benchmarks.gpu                     # ViT-Ti/4 and ViT-S/4 at 32 pixels, ViT-S/16 at 224
    python -m benchmarks.gpu --device cpu --models tiny --images 64 --batch-size 16 --steps 1

Needs torch, torchvision, timm, pandas, and of pure Python pydantic and jaxtyping (on a machine without them:
`pip install --target site pydantic jaxtyping` elsewhere, copy, PYTHONPATH=site); no DVC. lightly is measured
where it is installed. On a CPU nothing is kept.

compute   a step on the same images and masks again and again
resident  the whole step (order, gathering, crops, masks) from a set that lies on the device
mapped    the same from memory-mapped pixels, which a thread gathers ahead into pinned memory

Model FLOP utilisation (MFU) is a share of the card's dense bf16 rate where that is known, else of the rate of
a large product measured here. What counts is the matrix products and attention that torch counts in one step.
"""

import argparse
import importlib.util
import math
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from unittest import mock

import numpy as np
import torch
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.common import Trainer, build, interleaved, median, timed
from benchmarks.lightly_ijepa import lightly_step
from benchmarks.record import save
from pipeline.jepa import masking
from pipeline.pretrain.batches import Batches

EPOCH = 50_000
DENSE_BF16 = {"H100": 989e12, "H200": 989e12, "A100": 312e12}  # NVIDIA's data sheets, without sparsity
SMALL = {"patch_size": 4, "embed_dim": 384, "depth": 12, "num_heads": 6}
MODELS: dict[str, dict[str, object]] = {
    "tiny": {"size": 32, "batch": 1024, "model": SMALL | {"embed_dim": 192, "num_heads": 3}},
    "small": {"size": 32, "batch": 1024, "model": SMALL},
    "small224": {"size": 224, "batch": 256, "model": SMALL | {"patch_size": 16}},
}
NAMES = {"tiny": "ViT-Ti/4, 32 px", "small": "ViT-S/4, 32 px", "small224": "ViT-S/16, 224 px"}


def run_of(name: str, arguments: argparse.Namespace) -> Trainer:
    """A run of four targets of about a fifth of the grid each, and a context of a quarter of it."""
    settings = MODELS[name]
    model, size = dict(settings["model"]), settings["size"]  # pyright: ignore[reportCallIssue, reportArgumentType]
    grid = int(size) // int(model["patch_size"])  # pyright: ignore[reportArgumentType]
    rows, columns = (4, 3) if grid == 8 else (6, 6)
    width = int(model["embed_dim"]) // 2
    return build(
        {
            "data": {"image_size": size},
            "model": model
            | {"predictor": {"embed_dim": width, "depth": 6, "num_heads": width // 32, "joint": True}},
            "masking": {
                "num_targets": 4,
                "target_sizes": [[rows, columns]],
                "num_context": min(grid**2 // 4, grid**2 - 4 * rows * columns),
            },
            "pretrain": {"batch_size": arguments.batch_size or settings["batch"]},
            "runtime": {
                "device": arguments.device,
                "compile": arguments.compile,
                "threads": arguments.threads,
            },
        }
    )


def measure(name: str, arguments: argparse.Namespace, peak: float) -> dict[str, float]:
    """Rates (images per second), ratios, MFU and memory of one model."""
    run = run_of(name, arguments)
    device, size = run.runtime.device, run.params.data.image_size
    batch_size = run.params.pretrain.batch_size
    number = max(arguments.images if size == 32 else arguments.images // 8, batch_size)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "images.npy"
        pixels = np.lib.format.open_memmap(path, "w+", np.uint8, (number, size, size, 3))
        for start in range(0, number, 1000):
            block = pixels[start : start + 1000]
            block[:] = np.random.default_rng(start).integers(0, 256, block.shape, dtype=np.uint8)
        calls = _calls(run, pixels, arguments.steps)
        with FlopCounterMode(display=False) as counted, mock.patch.object(run, "losses", run.model):
            calls["compute"]()
        flop = counted.get_total_flops() / arguments.steps / batch_size
        if device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(device)
        if importlib.util.find_spec("lightly") and not arguments.no_lightly:
            calls["lightly, compute"] = _lightly(run, arguments.steps)
        seconds = interleaved(calls, arguments.rounds, device)
    rates = {kind: arguments.steps * batch_size / median(values, device) for kind, values in seconds.items()}
    results = {f"{kind}_images_per_second": rate for kind, rate in rates.items()}
    results |= {
        "batch_size": batch_size,
        "gflop_per_image": flop / 1e9,
        "mfu": flop * rates["resident"] / peak,
        "epoch_seconds": EPOCH / rates["resident"],
        "ratio_resident_to_compute": rates["resident"] / rates["compute"],
        "ratio_mapped_to_compute": rates["mapped"] / rates["compute"],
        "peak_memory_mb": torch.cuda.max_memory_allocated(device) / 2**20
        if device.type == "cuda"
        else math.nan,
    }
    if "lightly, compute" in rates:
        results["ratio_resident_to_lightly_compute"] = rates["resident"] / rates["lightly, compute"]
    return results


def _calls(run: Trainer, pixels: np.ndarray, steps: int) -> dict[str, Callable[[], object]]:
    """Calls that train `steps` steps and wait for the last one's terms."""
    device, pretrain = run.runtime.device, run.params.pretrain
    masks = masking.sample(run.params.masking, run.grid, pretrain.batch_size, 0, 0, device)
    same = torch.from_numpy(pixels[: pretrain.batch_size].copy()).to(device)
    whole = run.augment.model_copy(update={"crop_scale": (1.0, 1.0), "crop_ratio": (1.0, 1.0), "flip": False})
    crops = run.augment

    def train(batches: Iterator[Tensor]) -> None:
        terms: dict[str, Tensor] = {}
        for step, batch in enumerate(batches):
            terms = run.train_step(batch, step)
        terms["grad_norm"].item()

    def compute() -> None:
        run.augment = whole
        with mock.patch.object(masking, "sample", return_value=masks):
            train(iter([same] * steps))
        run.augment = crops

    def reading(limit: int) -> Callable[[], None]:
        """Train from a set that lies on the device where it has at most `limit` bytes."""
        with mock.patch.object(Batches, "GPU_BYTES", limit):
            batches = Batches(pixels, np.arange(len(pixels)), pretrain.batch_size, 0, device)
        return lambda: train(batches.from_step(0, steps))

    return {"compute": compute, "resident": reading(2**40), "mapped": reading(0)}


def _lightly(run: Trainer, steps: int) -> Callable[[], object]:
    """A call of lightly's step alone, on the same tokens: images lie on the device already."""
    device, size, batch_size = run.runtime.device, run.params.data.image_size, run.params.pretrain.batch_size
    masks = masking.sample(run.params.masking, run.grid, batch_size, 0, 0, device)
    images, step = torch.randn(batch_size, 3, size, size, device=device), lightly_step(run)

    def train() -> float:
        return [step(images, masks) for _ in range(steps)][-1].item()

    return train


def peak_flops(device: torch.device) -> tuple[float, str]:
    """The FLOP per second that utilisation is a share of, and where the number is from."""
    if device.type == "cuda":
        for card, flops in DENSE_BF16.items():
            if card in torch.cuda.get_device_name(device):
                return flops, f"{card}'s data sheet, dense bf16"
    side = 8192 if device.type == "cuda" else 1024
    square = torch.randn(side, side, device=device, dtype=torch.bfloat16)
    seconds = median([timed(lambda: square @ square, device) for _ in range(6)][1:], device)
    return 2 * side**3 / seconds, f"a bf16 product of {side} x {side} here"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--models", nargs="+", choices=MODELS, default=list(MODELS))
    parser.add_argument("--images", type=int, default=EPOCH)
    parser.add_argument("--batch-size", type=int, default=0)
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=0, help="0: all that the machine gives")
    parser.add_argument("--compile", action="store_true")
    parser.add_argument("--no-lightly", action="store_true")
    arguments = parser.parse_args()
    runtime = run_of(arguments.models[0], arguments).runtime
    peak, source = peak_flops(runtime.device)
    results = {name: measure(name, arguments, peak) for name in arguments.models}
    lines = [
        "| | images/s | MFU | 50,000 images, s | peak MiB | resident of compute | mapped of compute | "
        "times lightly's step |",
        "|---|" + "--:|" * 7,
    ]
    for name, row in results.items():
        times = row.get("ratio_resident_to_lightly_compute")
        lines.append(
            f"| {NAMES[name]} | {row['resident_images_per_second']:,.0f} | {100 * row['mfu']:.1f} % | "
            f"{row['epoch_seconds']:,.1f} | {row['peak_memory_mb']:,.0f} | "
            f"{100 * row['ratio_resident_to_compute']:.0f} % | "
            f"{100 * row['ratio_mapped_to_compute']:.0f} % | {f'{times:.2f}' if times else 'not installed'} |"
        )
    lines += ["", f"{runtime.precision}; utilisation is a share of {peak / 1e12:,.1f} TFLOP/s ({source})."]
    content = {
        "compiled": arguments.compile,
        "peak_flops": peak,
        **{f"{key}_{name}": value for name, row in results.items() for key, value in row.items()},
    }
    if runtime.device.type == "cuda":
        save("gpu", f"Training on {runtime.describe()}", runtime, arguments.rounds, content, lines)
    else:
        print("\n".join(["Not a GPU, not kept:", *lines]))


if __name__ == "__main__":
    main()
