"""Stage `embed`: features of every image from the encoder and its sparse module, from the encoder at
initialisation, from raw pixels, and from a reference model where one is named."""

from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from timm.models.vision_transformer import VisionTransformer

from pipeline.data.normalise import normalise
from pipeline.data.store import SPLITS, ImageSet, open_set
from pipeline.embed.baselines import fit_pixel_components
from pipeline.embed.reference import Reference, load_reference
from pipeline.embed.views import TokenViews, Views
from pipeline.files import InputError, atomic_folder, read_json, write_json
from pipeline.jepa.pretrained import load_encoder
from pipeline.measure.embeddings import Embedder, fingerprint
from pipeline.measure.patches import SOURCE, fits
from pipeline.params import Params
from pipeline.runtime import Runtime, resolve
from pipeline.sparsity.exported import load_method
from pipeline.sparsity.method import SparsityMethod
from stages.command import run

Arrays = dict[str, np.ndarray]
START = [
    "random_init",
    "random_init_last_blocks",
]  # what the views of the encoder at initialisation are called


def main(params: Params, root: Path) -> None:
    """Write artifacts/embeddings/<set>/{train,test}.npz, each with ids (the row of each image) and encoder,
    last_blocks, latent, groups, random_init, random_init_last_blocks, pixels_pca and a reference model's
    view, those that there are (float32, a row per image); tokens_{train,test}.npz with the same of single
    patches, (images, patches, dim), where the set labels patches; and meta.json with what they were made of.

    All sets are normalised as the pretraining set was, a reference model's input as its own was. Raises
    InputError where a set's images are not of the encoder's size, and where features are not finite.
    """
    runtime = resolve(params.runtime)
    folder = root / "artifacts/encoder"
    config = read_json(folder / "config.json")
    method = load_method(folder)
    if method is not None:
        method.to(runtime.device)
    encoders = {name: load_encoder(folder, name, runtime.device) for name in ("encoder", "initial")}
    reference = load_reference(params.embed.reference, root, runtime.device)
    images, patches = _embedders(encoders, method, config, params.embed.last_blocks, folder)
    names = dict.fromkeys([params.data.name, *(entry.partition(":")[0] for entry in params.embed.sets)])
    sets = {name: open_set(root / "artifacts/data" / name) for name in names}
    for name, image_set in sets.items():
        _check_size(root / "artifacts/data" / name, image_set, config["pretrained_cfg"]["input_size"][-1])
    dim, patch_size = config["num_features"], encoders["encoder"].patch_embed.patch_size[0]
    views: list[str] = []
    with atomic_folder(root / "artifacts/embeddings") as embeddings:
        for name, image_set in sets.items():
            (embeddings / name).mkdir()
            pixels = fit_pixel_components(image_set.split("train").images, dim)
            for split in SPLITS:
                content = image_set.split(split).images
                arrays: Arrays = {"ids": np.arange(len(content), dtype=np.int32)}
                for embedder in [*images, *([_referee(reference)] if reference else [])]:
                    arrays |= _call(embedder, content, f"{name} {split}", params.embed.batch_size, runtime)
                    if embedder is images[-1]:
                        arrays["pixels_pca"] = pixels(content)
                views = [view for view in arrays if view != "ids"]
                np.savez(embeddings / name / f"{split}.npz", **arrays)  # pyright: ignore[reportArgumentType]
            if params.embed.token_images and SOURCE in image_set.split("train").patch_labels:
                if not fits(patch_size):
                    print(f"{name}: patches of {patch_size} pixels do not fit its cells, so are not probed")
                    continue
                found = _embed_patches(image_set, patches, params, patch_size, dim, runtime)
                for split, arrays in found.items():
                    np.savez(embeddings / name / f"tokens_{split}.npz", **arrays)  # pyright: ignore[reportArgumentType]
        meta = {
            "encoder": fingerprint(folder),
            "dim": dim,
            "patch_size": patch_size,
            "views": views,
            "sets": {name: image_set.fingerprint for name, image_set in sets.items()},
        }
        if reference is not None:
            meta["reference"] = {"view": reference.view, "sha256": reference.sha256}
        write_json(embeddings / "meta.json", meta)
    for name, image_set in sets.items():
        counts = ", ".join(f"{image_set.counts[split]:,} {split}" for split in SPLITS)
        print(f"{name}: {counts} images x {dim} features; views {', '.join(views)}")


def _embedders(
    encoders: dict[str, VisionTransformer],
    method: SparsityMethod | None,
    config: dict[str, Any],
    last_blocks: int,
    folder: Path,
) -> tuple[list[Embedder], list[Embedder]]:
    """Of whole images, and of patches: the trained encoder with its module, and the one at initialisation."""
    pretrained = config["pretrained_cfg"]
    own = partial(normalise, mean=pretrained["mean"], std=pretrained["std"])
    site = config.get("sparsity", {}).get("site", "tokens")
    found: tuple[list[Embedder], list[Embedder]] = ([], [])
    for name, encoder in encoders.items():
        module = method if name == "encoder" else None
        for networks, views in (
            (found[0], Views(encoder, module, site, last_blocks)),
            (found[1], TokenViews(encoder, module, site)),
        ):
            names = views.names if name == "encoder" else START[: len(views.names)]
            networks.append(Embedder(f"{folder / name}.safetensors", views, own, names, views.widths))
    return found


def _referee(reference: Reference) -> Embedder:
    own = partial(normalise, mean=reference.mean, std=reference.std)
    return Embedder(reference.view, reference.network, own, [reference.view], [reference.dim])


def _call(embedder: Embedder, images: np.ndarray, progress: str, batch_size: int, runtime: Runtime) -> Arrays:
    return embedder(images, batch_size, runtime.device, runtime.autocast, progress)


def _embed_patches(
    image_set: ImageSet,
    embedders: list[Embedder],
    params: Params,
    patch_size: int,
    dim: int,
    runtime: Runtime,
) -> dict[str, Arrays]:
    """Views of every patch of some images of each split, evenly spaced: `rows` says which."""
    pixels, found = None, {}
    for split in SPLITS:
        content = image_set.split(split).images
        num_images = min(params.embed.token_images, len(content))
        rows = np.linspace(0, len(content) - 1, num_images).astype(int)
        some = np.asarray(content[rows])
        arrays: Arrays = {"rows": rows}
        for embedder in embedders:
            progress = f"{image_set.name} {split} patches"
            arrays |= _call(embedder, some, progress, params.embed.batch_size, runtime)
        grid = image_set.image_size // patch_size
        cut = some.reshape(num_images, grid, patch_size, grid, patch_size, 3).transpose(0, 1, 3, 2, 4, 5)
        cut = np.ascontiguousarray(cut).reshape(-1, patch_size, patch_size, 3)
        pixels = pixels or fit_pixel_components(cut, dim)
        arrays["pixels_pca"] = pixels(cut).reshape(num_images, grid * grid, -1)
        found[split] = arrays
    return found


def _check_size(folder: Path, image_set: ImageSet, size: int) -> None:
    if image_set.image_size != size:
        raise InputError(
            f"{folder}: images of {image_set.image_size} pixels, but the encoder takes {size}; "
            "prepare the set with the data.image_size that pretraining had"
        )


if __name__ == "__main__":
    run(main)
