"""sparsity.lambda as a dial: the oi-VAE alone, trained on the frozen features of a finished run.

    python -m benchmarks.dial NAME FOLDER [--latents 32 128] [--groups 8 32] [--lambdas 0.01 0.02 0.04 0.08]

FOLDER is a clone in which the stages ran. The encoder stays as it is, so that a setting takes a minute and
many sizes can be compared; in a run the encoder adapts too, and zeros come somewhat later. Writes NAME.csv in
results/studies, a row as it is finished.
"""

import argparse
import itertools
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd
import torch
from jaxtyping import Float
from torch import Tensor

from benchmarks.common import STUDIES
from pipeline import params as reader
from pipeline.data.generators import generator
from pipeline.data.normalise import normalise
from pipeline.data.store import open_set
from pipeline.files import InputError
from pipeline.jepa.encoder import encode
from pipeline.jepa.masking import sample
from pipeline.jepa.objective import normalised_targets
from pipeline.jepa.pretrained import load_encoder
from pipeline.layout import DATA, ENCODER
from pipeline.params import Params, SparsityParams
from pipeline.pretrain.optimizer import build_adamw, parameter_groups
from pipeline.pretrain.schedules import learning_rate, sparsity_strengths
from pipeline.sparsity.batch import SparsityBatch
from pipeline.sparsity.oi_vae import OiVae
from pipeline.sparsity.sparse_jepa import standardise

IMAGES = 12_800


class Frozen(NamedTuple):
    """Context tokens of images, one mask each, and the normalised targets at the same patches."""

    tokens: Float[Tensor, "images sites dim"]
    targets: Float[Tensor, "images sites dim"]


@torch.no_grad()
def freeze(folder: Path, params: Params, count: int = IMAGES) -> Frozen:
    """What a finished run's encoder gives for its first `count` images of training."""
    encoder = load_encoder(folder / ENCODER)
    image_set = open_set(folder / DATA / params.data.name)
    images, grid = image_set.split("train").images, params.data.image_size // params.model.patch_size
    parts: list[Frozen] = []
    for step, start in enumerate(range(0, min(count, len(images)), 128)):
        batch = normalise(torch.from_numpy(images[start : start + 128].copy()), image_set.mean, image_set.std)
        masks = sample(params.masking, grid, len(batch), params.pretrain.seed, step)
        targets = normalised_targets(encode(encoder, batch))
        index = masks.context[..., None].expand(-1, -1, targets.shape[-1])
        parts.append(Frozen(encode(encoder, batch, masks.context), targets.gather(1, index)))
    return Frozen(*map(torch.cat, zip(*parts, strict=True)))


def train(frozen: Frozen, params: Params, sparsity: SparsityParams) -> OiVae:
    """The module after pretrain.steps steps, under the schedules of pretraining."""
    pretrain, seed = params.pretrain, params.pretrain.seed
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        module = OiVae(sparsity, frozen.tokens.shape[-1])
    groups = parameter_groups(module, pretrain.weight_decay)
    for group in groups:
        group["params"] = [weight for weight in group["params"] if weight is not module.W]
    optimizer = build_adamw(groups, pretrain)
    for step in range(pretrain.steps):
        random = generator(seed, step, "dial")
        rows = torch.randint(len(frozen.tokens), (pretrain.batch_size,), generator=random)
        rate, strengths = learning_rate(pretrain, step), sparsity_strengths(sparsity, step, pretrain.steps)
        for group in optimizer.param_groups:
            group["lr"] = rate
        noise, _ = module.draw(len(rows), frozen.tokens.shape[1], random)
        targets = standardise(frozen.targets[rows])
        terms = module(
            SparsityBatch(frozen.tokens[rows], targets, noise, None, strengths, prediction=torch.zeros(()))
        )
        optimizer.zero_grad()
        torch.stack(list(terms.values())).sum().backward()
        optimizer.step()
        module.proximal_step(sparsity.learning_rate * rate / pretrain.learning_rate, strengths)
    return module


def row(module: OiVae, sparsity: SparsityParams) -> dict[str, Any]:
    """Sizes, lambda, and what W looks like after training."""
    numbers = module.describe()
    used = (module.interaction() > 0).sum(0).numpy()
    return {
        "groups": sparsity.groups,
        "latents": sparsity.latent_dim,
        "lambda": sparsity.lambda_,
        "zero share": numbers["zero_share"],
        "live latents": numbers["live_latents"],
        "groups per latent": float(used[used > 0].mean()) if used.any() else 0.0,
        "lambda_max": numbers["lambda_max"],
    }


def main(words: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("name", help="of the table")
    parser.add_argument("run", type=Path, metavar="FOLDER")
    parser.add_argument("--groups", type=int, nargs="+", default=[8, 32])
    parser.add_argument("--latents", type=int, nargs="+", default=[32, 128])
    parser.add_argument("--lambdas", type=float, nargs="+", default=[0.01, 0.02, 0.04, 0.08, 0.3, 0.9])
    parser.add_argument("--folder", type=Path, default=STUDIES, help="where the table goes")
    arguments = parser.parse_args(words)
    try:
        params = reader.load(arguments.run / "params.yaml")
        frozen = freeze(arguments.run, params)
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_status
    sizes = list(itertools.product(arguments.lambdas, arguments.latents, arguments.groups))
    rows: list[dict[str, Any]] = []
    arguments.folder.mkdir(parents=True, exist_ok=True)
    for lambda_, latents, groups in sizes:
        changes = {"groups": groups, "latent_dim": latents, "lambda_": lambda_}
        sparsity = params.sparsity.model_copy(update=changes)
        rows.append(row(train(frozen, params, sparsity), sparsity))
        table = pd.DataFrame(rows)
        table.to_csv(arguments.folder / f"{arguments.name}.csv", index=False, float_format="%.4g")
        print(f"{len(rows)} of {len(sizes)}: {table[-1:].to_dict('records')[0]}", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
