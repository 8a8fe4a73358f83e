"""Time of the estimators of the stage `interpret` on drawn features.

    python -m benchmarks.interpret

There are 10,000 training and 10,000 test images of 192 features in 16 groups.
Prints JSON: wall and processor seconds of all codes together, and of each part.
The codes are the encoder in its groups, k-means groups, PCA, a rotation, the untrained encoder, pixels,
energies, latents and a sparse autoencoder.
"""

import argparse
import json
import os
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import torch

from benchmarks.common import DEFAULTS
from pipeline import params
from pipeline.data.labels import Label
from pipeline.interpret.build_codes import build_codes
from pipeline.interpret.factors import read_factors
from pipeline.interpret.metrics.multiinformation import measure_information, multiinformation
from pipeline.interpret.metrics.registry import METRICS, measure_code
from pipeline.sparsity.build import build_method

IMAGES, DIM, GROUPS, LATENTS, UNITS, FACTORS, CLASSES = 10_000, 192, 16, 32, 128, 12, 8


def main() -> None:
    argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    ).parse_args()
    run = params.load(DEFAULTS)
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
    codes = timed(spent, "codes", lambda: build_codes(train, test, method.eval(), GROUPS, run.interpret))
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
    """The views of IMAGES images. Features have singular values over two decades."""
    scales = np.logspace(0, -2, DIM)
    mix = np.linalg.qr(np.random.default_rng(1).standard_normal((DIM, DIM)))[0]

    def features() -> np.ndarray:
        return ((random.standard_normal((IMAGES, DIM)) * scales) @ mix).astype(np.float32)

    return {
        "encoder": features(),
        "random_init": features(),
        "pixels_pca": features(),
        "latent": random.standard_normal((IMAGES, LATENTS)).astype(np.float32),
        "sae": np.maximum(random.standard_normal((IMAGES, UNITS)) - 1, 0).astype(np.float32),
        "groups": random.standard_exponential((IMAGES, GROUPS)).astype(np.float32),
    }


def timed(spent: dict[str, float], name: str, work: Callable[[], Any]) -> Any:
    """The result of `work`, whose wall seconds are added to `spent[name]`."""
    start = time.perf_counter()
    result = work()
    spent[name] = spent.get(name, 0.0) + time.perf_counter() - start
    return result


if __name__ == "__main__":
    main()
