"""Time of the stage's estimators on drawn features: 10,000 + 10,000 images, 192 features, 16 groups.

    python -m benchmarks.interpret

Prints JSON: wall and processor seconds of all codes together (the encoder in its groups, k-means groups, PCA,
a rotation, the untrained encoder, pixels, energies, latents, a sparse autoencoder), and of each part.
"""

import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from pipeline import params
from pipeline.data.labels import Label
from pipeline.interpret.build_codes import build_codes
from pipeline.interpret.factors import read_factors
from pipeline.interpret.metrics.multiinformation import measure_information, multiinformation
from pipeline.interpret.metrics.registry import METRICS, measure_code
from pipeline.sparsity.build import build_method

IMAGES, DIM, GROUPS, LATENTS, FACTORS, CLASSES = 10_000, 192, 16, 32, 12, 8


def main() -> None:
    run = params.load(Path("params.yaml"))
    torch.set_num_threads(os.cpu_count() or 1)
    sparsity = run.sparsity.model_copy(update={"groups": GROUPS, "latent_dim": LATENTS, "method": "oi_vae"})
    method = build_method(sparsity, DIM)
    assert method is not None
    random = np.random.default_rng(0)
    train, test = (draw(random) for _ in range(2))
    specs = {f"factor_{f}": Label("categorical", tuple(map(str, range(CLASSES)))) for f in range(FACTORS)}
    tables = [
        pd.DataFrame(random.integers(CLASSES, size=(IMAGES, FACTORS)), columns=list(specs)) for _ in range(2)
    ]
    for views, table in zip((train, test), tables, strict=True):
        views["encoder"][:, :FACTORS] += table.to_numpy()
    spent: dict[str, float] = {}
    start, processor = time.perf_counter(), time.process_time()
    factors, _ = read_factors(*tables, specs)
    codes, _ = timed(spent, "codes", lambda: build_codes(train, test, method.eval(), GROUPS, run.interpret))
    others = tuple(metric for metric in METRICS if metric is not multiinformation)
    for code in codes.values():
        timed(spent, "interpretability", lambda code=code: measure_code(code, factors, run.interpret, others))
        timed(
            spent,
            "multiinformation",
            lambda code=code: measure_information(code.test, code.partition, run.interpret),
        )
    print(
        json.dumps(
            {
                "seconds": round(time.perf_counter() - start, 1),
                "processor_seconds": round(time.process_time() - processor, 1),
                **{f"{name}_seconds": round(value, 1) for name, value in spent.items()},
                "images": IMAGES,
                "features": DIM,
                "groups": GROUPS,
                "codes": len(codes),
                "factors": len(factors),
                "partitions": run.interpret.partitions,
                "threads": torch.get_num_threads(),
                "load": os.getloadavg()[0],
            },
            indent=2,
        )
    )


def draw(random: np.random.Generator) -> dict[str, np.ndarray]:
    """Views of IMAGES images; features with singular values over two decades."""
    scales = np.logspace(0, -2, DIM)
    mix = np.linalg.qr(np.random.default_rng(1).standard_normal((DIM, DIM)))[0]

    def features() -> np.ndarray:
        return ((random.standard_normal((IMAGES, DIM)) * scales) @ mix).astype(np.float32)

    return {
        "encoder": features(),
        "random_init": features(),
        "pixels_pca": features(),
        "latent": random.standard_normal((IMAGES, LATENTS)).astype(np.float32),
        "groups": random.standard_exponential((IMAGES, GROUPS)).astype(np.float32),
    }


def timed(spent: dict[str, float], name: str, work: Callable[[], Any]) -> Any:
    """Its result; the seconds are added to `spent`."""
    start = time.perf_counter()
    found = work()
    spent[name] = spent.get(name, 0.0) + time.perf_counter() - start
    return found


if __name__ == "__main__":
    main()
