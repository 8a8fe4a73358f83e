"""The groups of a run held against the masks of objects, patch by patch."""

from pathlib import Path
from typing import NamedTuple

import numpy as np
from timm.models.vision_transformer import VisionTransformer
from torch import Tensor

from pipeline.data.store import ImageSet, Split
from pipeline.interpret.build_codes import KMEANS
from pipeline.interpret.code import Code
from pipeline.interpret.finished_run import Run
from pipeline.interpret.objects import object_scores, patch_masks
from pipeline.interpret.tables import Tables
from pipeline.interpret.token_clusters import (
    COLOUR_POSITION,
    GRID,
    Clustering,
    cluster_metrics,
    cluster_tokens,
    controls,
    score_clusters,
)
from pipeline.jepa.encoder import encode
from pipeline.jepa.pretrained import load_encoder
from pipeline.measure.embeddings import INITIAL, TRAINED, embed, encoder_normalise
from pipeline.measure.metrics import Metrics
from pipeline.params import InterpretParams
from pipeline.runtime import Runtime
from pipeline.views import ENCODER, RANDOM_INIT, TWIN

PATCH_BATCH = 256  # images per forward pass; decides no number
MASKS = ("foreground", "object")  # of cells: the covered share, and the number of the object
SHOWN = (ENCODER, TWIN)  # codes whose energies stand in the table `patches`


class Network(NamedTuple):
    """An encoder: its folder and which of its weights; codes: those of its features."""

    folder: Path
    weights: str
    codes: tuple[str, ...]


def has_masks(split: Split) -> bool:
    """Whether it is known which object each patch shows."""
    return set(MASKS) <= set(split.patch_labels)


def compare_with_objects(
    image_set: ImageSet,
    run: Run,
    codes: dict[str, Code],
    params: InterpretParams,
    runtime: Runtime,
    tables: Tables,
) -> Metrics:
    """Object scores by code, of the trained encoder (its groups, k-means groups), of its dense twin if it has
    one, and of the untrained encoder; the reason alone where a patch is not made of whole cells. Clusters of
    tokens are scored too, beside two controls without a network (pipeline.interpret.token_clusters). Energies
    of the encoder's and of the twin's groups, and all clusters, are added to `tables`.
    """
    split = image_set.split("test")
    images = split.images[: params.object_images]
    foreground_cells, object_cells = (np.array(split.patch_labels[key][: len(images)]) for key in MASKS)
    scores: Metrics = {}
    clusterings: dict[str, Clustering] = {}
    for network in networks(run):
        encoder = load_encoder(network.folder, network.weights, runtime.device)
        patches = int(encoder.patch_embed.num_patches)  # pyright: ignore[reportArgumentType]
        grid = round(patches**0.5)
        if object_cells.shape[1] % grid:
            return {"not_estimated": "a patch is not made of whole cells of the masks"}
        progress = f"{image_set.name} patches, {network.codes[0]}"
        tokens = token_features(encoder, images, network.folder, runtime, progress)
        foreground, owner = patch_masks(foreground_cells, object_cells, grid)
        if not clusterings:
            for label, clusters in controls(np.asarray(images), grid, params.seed).items():
                clusterings[label] = score_clusters(clusters, owner)
        clusterings[network.codes[0]] = score_clusters(cluster_tokens(tokens, params.seed), owner)
        for label in network.codes:
            partition = codes[label].partition
            scores[label] = object_scores(tokens, partition, foreground, owner, params)
            if label in SHOWN:
                best = scores[label].get("object_best_group", 0)
                tables.add_patches(image_set.name, label, tokens, partition, foreground, owner, best)
    for label, clustering in clusterings.items():
        counts = {"object_images": len(images), "object_ari_images": len(clustering.ari)}
        control = clusterings[COLOUR_POSITION] if label not in (COLOUR_POSITION, GRID) else None
        scores[label] = scores.get(label, counts) | cluster_metrics(clustering, control)
        tables.add_clusters(image_set.name, label, clustering.clusters)
    return scores


def networks(run: Run) -> list[Network]:
    """The trained encoder, its dense twin if it has one, and the encoder at initialisation."""
    twin = [Network(run.twin, TRAINED, (TWIN,))] if run.twin is not None else []
    return [
        Network(run.encoder, TRAINED, (ENCODER, KMEANS)),
        *twin,
        Network(run.encoder, INITIAL, (RANDOM_INIT,)),
    ]


def token_features(
    encoder: VisionTransformer, images: np.ndarray, folder: Path, runtime: Runtime, progress: str
) -> np.ndarray:
    """The features of every patch, (images, patches, dim). folder: where the encoder was exported to."""

    def flat_tokens(pixels: Tensor) -> Tensor:
        return encode(encoder, pixels).flatten(1)

    to_input = encoder_normalise(folder)
    columns = embed(flat_tokens, images, to_input, PATCH_BATCH, runtime.device, runtime.autocast, progress)
    return columns.reshape(len(images), -1, int(encoder.num_features))
