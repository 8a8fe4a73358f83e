"""Throughput of the stage `embed` beside the bare forward pass of the same encoder.

    python -m benchmarks.embed

Model, batch size and runtime are those of params.yaml. Both are timed in turns, on the same random images.
"""

import argparse
from functools import partial

import numpy as np
import torch

from benchmarks.common import DEFAULTS, interleaved, median
from benchmarks.record import save
from pipeline import params
from pipeline.data.normalise import normalise
from pipeline.jepa.encoder import build_encoder
from pipeline.measure.embeddings import embed
from pipeline.runtime import resolve

BATCHES = 8


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--threads", type=int, default=0, help="0: all that the machine gives")
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    run = params.load(DEFAULTS)
    runtime = resolve(run.runtime.model_copy(update={"threads": arguments.threads}))
    size, batch_size = run.data.image_size, run.embed.batch_size
    num_images = BATCHES * batch_size
    encoder = build_encoder(run.model, size, seed=0).eval().to(runtime.device)
    images = np.random.default_rng(0).integers(0, 256, (num_images, size, size, 3), dtype=np.uint8)
    standard = partial(normalise, mean=(0.5, 0.5, 0.5), std=(0.25, 0.25, 0.25))
    batch = standard(torch.from_numpy(images[:batch_size]).to(runtime.device))

    def forward() -> None:
        with torch.inference_mode(), runtime.autocast():
            for _ in range(BATCHES):
                encoder(batch)

    def embedding() -> None:
        embed(encoder, images, standard, batch_size, runtime.device, runtime.autocast, progress="")

    calls = {"forward": forward, "embed": embedding}
    seconds = interleaved(calls, arguments.rounds, runtime.device)
    rates = {name: num_images / median(values, runtime.device) for name, values in seconds.items()}
    ratio = rates["embed"] / rates["forward"]
    content = {
        "forward_images_per_second": rates["forward"],
        "embed_images_per_second": rates["embed"],
        "ratio_embed_to_forward": ratio,
        "images": num_images,
        "batch_size": batch_size,
        "precision": runtime.precision,
    }
    lines = [
        f"embed {rates['embed']:,.0f} images/s, forward {rates['forward']:,.0f} ({runtime.precision}, "
        f"batches of {batch_size}): ratio {ratio:.2f}."
    ]
    save("embed", "Embedding beside the bare forward pass", runtime, arguments.rounds, content, lines)


if __name__ == "__main__":
    main()
