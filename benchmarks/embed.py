"""Throughput of `embed` beside the bare forward pass of the same encoder at the same batch size.

    python -m benchmarks.embed

Reads the shipped params.yaml: its model, embed.batch_size and runtime. Both are timed in turns in one process
on the same random images, and the best of each counts, so that other work on the machine hurts neither more.
"""

import json
import time
from functools import partial
from pathlib import Path

import numpy as np
import torch

from pipeline import params
from pipeline.data.normalise import normalise
from pipeline.evaluation.embeddings import embed
from pipeline.jepa.encoder import build_encoder
from pipeline.training.runtime import resolve

BATCHES = 8
TURNS = 5


def main() -> None:
    run = params.load(Path("params.yaml"))
    runtime = resolve(run.runtime)
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
        if runtime.device.type == "cuda":
            torch.cuda.synchronize()

    def whole() -> None:
        embed(encoder, images, standard, batch_size, runtime.device, runtime.autocast, progress="")

    seconds = {"forward": [], "embed": []}
    for _ in range(TURNS):
        for name, call in (("forward", bare), ("embed", whole)):
            start = time.perf_counter()
            call()
            seconds[name].append(time.perf_counter() - start)
    rates = {name: num_images / min(values) for name, values in seconds.items()}
    print(
        json.dumps(
            {
                "forward_images_per_second": round(rates["forward"]),
                "embed_images_per_second": round(rates["embed"]),
                "ratio": round(rates["embed"] / rates["forward"], 3),
                "images": num_images,
                "batch_size": batch_size,
                "turns": TURNS,
                "precision": runtime.precision,
                "device": runtime.describe(),
            },
            indent=2,
        )
    )


if __name__ == "__main__":
    main()
