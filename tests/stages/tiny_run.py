"""A project folder with a small prepared set and an encoder that was never trained."""

from pathlib import Path

import numpy as np
import pandas as pd
from safetensors.torch import save_file

from pipeline import params
from pipeline.data.labels import Label
from pipeline.data.store import CELL, SPLITS, SplitWriter, open_set, write_meta
from pipeline.digests import seal
from pipeline.files import write_json
from pipeline.jepa.encoder import build_encoder, timm_config
from pipeline.layout import CARD, CONFIG, DATA, ENCODER, INITIAL_WEIGHTS, SPARSITY_WEIGHTS, TRAINED_WEIGHTS
from pipeline.sparsity.build import build_method

ROOT = Path(__file__).parents[2]
LABELS = {
    "colour": Label("categorical", ("red", "green", "blue")),
    "count": Label("count", ("1", "2", "3")),
    "foreground": Label("real", unit="fraction"),
    "constant": Label("categorical", ("only", "never")),
}
SGD = {
    "optimizer": "sgd",
    "batch_size": 64,
    "learning_rates": [0.1, 1.0],
    "momentum": 0.9,
    "weight_decay": 0.0,
    "warmup_fraction": 0.1,
}
COUNTS = {"train": 240, "test": 120}
SIZE = 16


def tiny_params(**changes: dict[str, object]) -> params.Params:
    """The shipped params, small: {"probe": {"bootstrap": 100}} changes a section."""
    small: dict[str, dict[str, object]] = {
        "data": {"image_size": SIZE},
        "model": {"embed_dim": 16, "depth": 1, "num_heads": 2, "patch_size": 4},
        "sparsity": {"groups": 4, "latent_dim": 8},
        "embed": {
            "batch_size": 50,
            "sae": {"units": 8, "active": 3, "steps": 5, "batch_size": 50, "learning_rate": 0.003},
        },
        "probe": {
            "l2": [1e-4, 1e-2],
            "bootstrap": 100,
            "knn_neighbors": [3, 5],
            "low_shot": {"fractions": [0.2], "draws": 2},
            "sgd": SGD | {"epochs": 2},
        },
        "interpret": {
            "subsamples": 4,
            "noise": [0.1],
        },
        "runtime": {"device": "cpu", "threads": 1},
    }
    tree = params.load(ROOT / "params.yaml").model_dump(mode="json", by_alias=True)
    for updates in (small, changes):
        for section, values in updates.items():
            tree[section] |= values
    return params.Params.model_validate(tree)


def write_set(folder: Path, size: int = SIZE, seed: int = 0) -> None:
    """Blurred noise whose mean colour is the label `colour`; every fifth test image has no colour."""
    writers = {split: SplitWriter(folder / split, COUNTS[split], size) for split in SPLITS}
    for at, (split, writer) in enumerate(writers.items()):
        random = np.random.default_rng([seed, at])
        colour, count = random.integers(3, size=COUNTS[split]), random.integers(3, size=COUNTS[split])
        pixels = random.integers(0, 120, (COUNTS[split], size, size, 3))
        pixels[np.arange(COUNTS[split]), ..., colour] += 100
        labels = {
            "colour": np.where((np.arange(COUNTS[split]) % 5 == 0) & (split == "test"), -1, colour).astype(
                np.int16
            ),
            "count": count.astype(np.int16),
            "foreground": ((count + random.random(COUNTS[split])) / 4).astype(np.float32),
            "constant": np.zeros(COUNTS[split], np.int16),
        }
        # The left half of every image is what objects cover, and is white.
        cells = np.zeros((COUNTS[split], size // CELL, size // CELL), np.uint8)
        cells[:, :, : size // CELL // 2] = 255
        pixels[:, :, : size // 2] = 250
        with writer:
            writer.append(pixels.astype(np.uint8), pd.DataFrame(labels), {"foreground": cells})
    write_meta(folder, folder.name, size, LABELS, writers)


def write_encoder(folder: Path, run: params.Params, seed: int = 1) -> None:
    """An encoder and an oi-VAE module of 4 groups and 8 latents."""
    image_set = open_set(folder.parents[1] / DATA / "scenes")
    folder.mkdir(parents=True, exist_ok=True)
    encoder = build_encoder(run.model, SIZE, seed)
    (folder / SPARSITY_WEIGHTS).parent.mkdir(exist_ok=True)
    for weights, network in (
        (TRAINED_WEIGHTS, encoder),
        (INITIAL_WEIGHTS, build_encoder(run.model, SIZE, 0)),
    ):
        state = {key: value.contiguous() for key, value in network.state_dict().items()}
        save_file(state, folder / weights)
    module = build_method(run.sparsity, 16, seed)
    assert module is not None
    save_file(module.state_dict(), folder / SPARSITY_WEIGHTS)
    config = timm_config(run.model, SIZE, encoder, image_set.mean, image_set.std)
    (folder / CARD).write_text("# A card\n")
    write_json(folder / CONFIG, config | {"sparsity": run.sparsity.model_dump(mode="json", by_alias=True)})
    seal(folder)


def tiny_run(root: Path) -> params.Params:
    """Everything that `embed` reads."""
    run = tiny_params()
    write_set(root / DATA / "scenes")
    write_encoder(root / ENCODER, run)
    return run
