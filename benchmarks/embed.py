"""Throughput of `embed` beside the bare forward pass of the same encoder at the same batch size.

    python -m benchmarks.embed

Reads the shipped params.yaml: its model, embed.batch_size and runtime. Both are timed in turns in one process
on the same random images.
"""

import argparse
from functools import partial
from pathlib import Path

import numpy as np
import torch

from benchmarks.common import interleaved, machine, median, save
from pipeline import params
from pipeline.data.normalise import normalise
from pipeline.jepa.encoder import build_encoder
from pipeline.measure.embeddings import embed
from pipeline.runtime import resolve

BATCHES = 8
TURNS = 5


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--threads", type=int, default=0)
    given = parser.parse_args()
    run = params.load(Path("params.yaml"))
    runtime = resolve(run.runtime.model_copy(update={"threads": given.threads}))
    size, batch_size = run.data.image_size, run.embed.batch_size
    num_images = BATCHES * batch_size
    encoder = build_encoder(run.model, size, seed=0).eval().to(runtime.device)
    images = np.random.default_rng(0).integers(0, 256, (num_images, size, size, 3), dtype=np.uint8)
    standard = partial(normalise, mean=(0.5, 0.5, 0.5), std=(0.25, 0.25, 0.25))
    batch = standard(torch.from_numpy(images[:batch_size]).to(runtime.device))

    def bare() -> None:
        with torch.inference_mode(), runtime.autocast():
            for _ in range(BATCHES):
                encoder(batch)

    def whole() -> None:
        embed(encoder, images, standard, batch_size, runtime.device, runtime.autocast, progress="")

    seconds = interleaved({"forward": bare, "embed": whole}, TURNS, runtime.device)
    rates = {name: num_images / median(values, runtime.device) for name, values in seconds.items()}
    content = {
        "title": "Embedding beside the bare forward pass",
        "machine": machine(runtime),
        "rounds": TURNS,
        "forward_images_per_second": rates["forward"],
        "embed_images_per_second": rates["embed"],
        "ratio_embed_to_forward": rates["embed"] / rates["forward"],
        "images": num_images,
        "batch_size": batch_size,
        "precision": runtime.precision,
    }
    lines = [
        f"embed {rates['embed']:,.0f} images/s, forward {rates['forward']:,.0f} ({runtime.precision}, "
        f"batches of {batch_size}): ratio {rates['embed'] / rates['forward']:.2f}."
    ]
    save("embed", f"python -m benchmarks.embed --threads {given.threads}", content, lines)


if __name__ == "__main__":
    main()
