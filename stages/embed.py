"""Stage `embed`: features of every image from the encoder and its sparse module, from the encoder at
initialisation, and from raw pixels."""

from functools import partial
from pathlib import Path

import numpy as np

from pipeline.data.normalise import normalise
from pipeline.data.store import SPLITS, ImageSet, open_set
from pipeline.evaluation.baselines import fit_pixel_components
from pipeline.evaluation.embeddings import embed, fingerprint
from pipeline.files import InputError, atomic_folder, read_json, write_json
from pipeline.jepa.pretrained import load_encoder
from pipeline.params import Params
from pipeline.sparsity.views import Views, load_method
from pipeline.training.runtime import resolve
from stages.command import run


def main(params: Params, root: Path) -> None:
    """Write artifacts/embeddings/<set>/{train,test}.npz, each with ids and, where the encoder has them,
    encoder, latent, groups, random_init and pixels_pca (float32, a row per image), and meta.json with what
    they were made of.

    All sets are normalised as the pretraining set was. Raises InputError where a set's images are not of the
    encoder's size, and where features are not finite.
    """
    runtime = resolve(params.runtime)
    folder = root / "artifacts/encoder"
    config = read_json(folder / "config.json")
    method = load_method(folder)
    if method is not None:
        method.to(runtime.device)
    site = config.get("sparsity", {}).get("site", "tokens")
    networks = {
        "encoder": Views(load_encoder(folder, "encoder", runtime.device), method, site),
        "initial": Views(load_encoder(folder, "initial", runtime.device), None, site),
    }
    views = [*networks["encoder"].names, "random_init", "pixels_pca"]
    dim = networks["initial"].widths[0]
    pretrained = config["pretrained_cfg"]
    own_normalise = partial(normalise, mean=pretrained["mean"], std=pretrained["std"])
    names = dict.fromkeys([params.data.name, *params.embed.sets])
    sets = {name: open_set(root / "artifacts/data" / name) for name in names}
    for name, image_set in sets.items():
        _check_size(root / "artifacts/data" / name, image_set, pretrained["input_size"][-1])
    with atomic_folder(root / "artifacts/embeddings") as embeddings:
        for name, image_set in sets.items():
            (embeddings / name).mkdir()
            pixel_components = fit_pixel_components(image_set.split("train").images, dim)
            for split in SPLITS:
                content = image_set.split(split)
                arrays = {"ids": content.labels["id"].to_numpy()}
                for weights, network in networks.items():
                    found = embed(
                        network,
                        content.images,
                        own_normalise,
                        params.embed.batch_size,
                        runtime.device,
                        runtime.autocast,
                        progress=f"{name} {split}, {weights}",
                    )
                    if not np.isfinite(found).all():
                        raise InputError(
                            f"{folder / weights}.safetensors: its features of {name} are not finite"
                        )
                    own = network.names if weights == "encoder" else ["random_init"]
                    arrays |= zip(own, np.split(found, np.cumsum(network.widths)[:-1], axis=1), strict=True)
                arrays["pixels_pca"] = pixel_components(content.images)
                np.savez(embeddings / name / f"{split}.npz", **arrays)  # pyright: ignore[reportArgumentType]
        write_json(
            embeddings / "meta.json",
            {
                "encoder": fingerprint(folder),
                "dim": dim,
                "views": views,
                "sets": {name: image_set.fingerprint for name, image_set in sets.items()},
            },
        )
    for name, image_set in sets.items():
        counts = ", ".join(f"{image_set.counts[split]:,} {split}" for split in SPLITS)
        print(f"{name}: {counts} images x {dim} features; views {', '.join(views)}")


def _check_size(folder: Path, image_set: ImageSet, size: int) -> None:
    if image_set.image_size != size:
        raise InputError(
            f"{folder}: images of {image_set.image_size} pixels, but the encoder takes {size}; "
            "prepare the set with the data.image_size that pretraining had"
        )


if __name__ == "__main__":
    run(main)
