"""The views of every set, computed source by source and written set by set."""

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from pipeline import layout
from pipeline.data.store import SPLITS, ImageSet
from pipeline.digests import check
from pipeline.embed.corruptions import CORRUPTIONS, corrupt
from pipeline.embed.reference import load_reference
from pipeline.embed.registry import CORRUPTED_SOURCES, IMAGE_SOURCES, PATCH_SOURCES
from pipeline.embed.source import ComputeViews, Context, Sample, Source
from pipeline.files import InputError, read_json
from pipeline.jepa.pretrained import load_encoder
from pipeline.measure.embedding_store import (
    EmbeddingsMeta,
    ReferenceMeta,
    ViewFile,
    corrupted_views,
    image_views,
    patch_views,
    twin_folder,
    weights_hash,
    write_meta,
)
from pipeline.measure.embeddings import INITIAL, TRAINED, encoder_normalise
from pipeline.measure.patches import SOURCE, fits
from pipeline.params import EmbedParams
from pipeline.runtime import Runtime
from pipeline.sparsity.exported import load_method
from pipeline.sparsity.method import SparsityMethod
from pipeline.views import TWIN

Stored = tuple[ViewFile, np.ndarray, Sample]  # where the views go, the row of each image, the images


def load_context(encoder: Path, params: EmbedParams, root: Path, runtime: Runtime) -> Context:
    """Everything that the sources need: the encoder of the folder `encoder`, its module, its dense twin, the
    reference model.

    root: where the path of the reference model's weights starts. Raises InputError where a file is missing
    or is not what was written.
    """
    twin = twin_folder(encoder)
    for folder in filter(None, (encoder, twin)):
        check(folder)
    config = read_json(encoder / layout.CONFIG)
    method, site = load_module(encoder, config, runtime)
    networks = {weights: load_encoder(encoder, weights, runtime.device) for weights in (TRAINED, INITIAL)}
    if twin is not None:
        networks[TWIN] = load_encoder(twin, TRAINED, runtime.device)
    return Context(
        encoder=encoder,
        twin=twin,
        networks=networks,
        method=method,
        site=site,
        to_input=encoder_normalise(encoder),
        dim=config["num_features"],
        patch_size=networks[TRAINED].patch_embed.patch_size[0],
        image_size=config["pretrained_cfg"]["input_size"][-1],
        reference=load_reference(params.reference, root, runtime.device),
        params=params,
        runtime=runtime,
    )


def load_module(encoder: Path, config: dict[str, Any], runtime: Runtime) -> tuple[SparsityMethod | None, str]:
    """The sparse module of the folder `encoder`, and its site; None where it reads no token of the encoder.

    config: the folder's config.json.
    """
    site = config.get("sparsity", {}).get("site", "tokens")
    method = load_method(encoder) if site != "predictor" else None
    return (None if method is None else method.to(runtime.device)), site


def embed_sets(sets: Mapping[str, ImageSet], context: Context, folder: Path) -> EmbeddingsMeta:
    """Write the views of all sets to `folder`, and return what meta.json says of them.

    Raises InputError where a set's images are not of the encoder's size, and where features are not finite.
    """
    for image_set in sets.values():
        _check_size(image_set, context.image_size)
    names: list[str] = []
    for name, image_set in sets.items():
        (folder / name).mkdir()
        names, sources = embed_images(image_set, context, folder)
        embed_corrupted(image_set, context, sources, folder)
        if context.params.token_images and SOURCE in image_set.split("train").patch_labels:
            if fits(context.patch_size):
                embed_patches(image_set, context, folder)
            else:
                size = context.patch_size
                print(f"{name}: patches of {size} pixels do not fit its cells, so are not probed")
    reference = context.reference
    meta = EmbeddingsMeta(
        encoder=weights_hash(context.encoder),
        twin=context.twin and weights_hash(context.twin),
        dim=context.dim,
        patch_size=context.patch_size,
        views=tuple(names),
        sets={name: image_set.fingerprint for name, image_set in sets.items()},
        reference=reference and ReferenceMeta(view=reference.view, sha256=reference.sha256),
    )
    write_meta(folder, meta)
    return meta


def embed_images(
    image_set: ImageSet, context: Context, folder: Path
) -> tuple[list[str], dict[Source, ComputeViews]]:
    """Write the views of every image of both splits; returns their names, and the fitted sources."""

    def samples() -> Iterator[Stored]:
        for split in SPLITS:
            images = image_set.split(split).images
            index = np.arange(len(images), dtype=np.int32)
            title = f"{image_set.name} {split}"
            yield image_views(folder, image_set.name, split), index, Sample(title, images)

    return write_views(IMAGE_SOURCES, context, samples())


def embed_corrupted(
    image_set: ImageSet, context: Context, sources: Mapping[Source, ComputeViews], folder: Path
) -> None:
    """Write the views of `corrupted_images` test images, evenly spaced, under every corruption.

    sources: as they were fitted to clean images.
    """
    images = image_set.split("test").images
    num_images = min(context.params.corrupted_images, len(images))
    if not num_images:
        return
    rows = np.linspace(0, len(images) - 1, num_images).astype(int)
    chosen = np.asarray(images[rows])
    for name in CORRUPTIONS:
        title = f"{image_set.name} test, {name.replace('_', ' ')}"
        sample = Sample(title, corrupt(chosen, name))
        for source in CORRUPTED_SOURCES:
            if source in sources:
                sample.views.update(sources[source](sample))
        corrupted_views(folder, image_set.name, name).write(rows, sample.views)


def embed_patches(image_set: ImageSet, context: Context, folder: Path) -> None:
    """Write the views of every patch of `token_images` images of each split, evenly spaced."""

    def samples() -> Iterator[Stored]:
        for split in SPLITS:
            images = image_set.split(split).images
            num_images = min(context.params.token_images, len(images))
            index = np.linspace(0, len(images) - 1, num_images).astype(int)
            title = f"{image_set.name} {split} patches"
            yield patch_views(folder, image_set.name, split), index, Sample(title, np.asarray(images[index]))

    write_views(PATCH_SOURCES, context, samples())


def write_views(
    sources: tuple[Source, ...], context: Context, samples: Iterable[Stored]
) -> tuple[list[str], dict[Source, ComputeViews]]:
    """Fit all sources on the first sample, the training split, and write the views of every sample to its
    file. One sample's views are in memory at a time. Returns their names, and the fitted sources."""
    fitted: dict[Source, ComputeViews] = {}
    names: list[str] = []
    for file, index, sample in samples:
        if not fitted:
            fitted = fit_sources(sources, context, sample)
        else:
            for compute in fitted.values():
                sample.views.update(compute(sample))
        file.write(index, sample.views)
        names = list(sample.views)
    return names, fitted


def fit_sources(sources: tuple[Source, ...], context: Context, train: Sample) -> dict[Source, ComputeViews]:
    """Fit each source; returns the functions that compute the views of any split, without the sources that
    have none. The views of `train` are added to it on the way: later sources may be fitted on them."""
    fitted: dict[Source, ComputeViews] = {}
    for source in sources:
        compute = source(context, train)
        if compute is not None:
            train.views.update(compute(train))
            fitted[source] = compute
    return fitted


def _check_size(image_set: ImageSet, size: int) -> None:
    if image_set.image_size != size:
        raise InputError(
            f"{image_set.folder}: images of {image_set.image_size} pixels, but the encoder takes {size}; "
            "prepare the set with the data.image_size that pretraining had"
        )
