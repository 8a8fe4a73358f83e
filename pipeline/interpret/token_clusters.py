"""Are objects found by clustering tokens? k-means of each image by itself, against the objects' masks.

The controls need no network: k-means of each patch's mean colour and place, and a grid of equal areas.

Legend: images, patches of an image, clusters of an image, objects.
"""

import warnings
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int, UInt8
from scipy.cluster.vq import kmeans2

from pipeline.interpret.objects import foreground_ari
from pipeline.measure.metrics import Metrics

CLUSTERS = 4  # of an image: three objects and the background are common in scenes
COLOUR_POSITION, GRID = "colour_position", "grid"


@dataclass(frozen=True)
class Clustering:
    """clusters: of every patch. ari: of each image with two objects or more. overlap: of each image with an
    object, the mean best overlap."""

    clusters: Int[np.ndarray, "images patches"]
    ari: Float[np.ndarray, " several"]
    overlap: Float[np.ndarray, " some"]


def cluster_tokens(
    tokens: Float[np.ndarray, "images patches dim"], seed: int
) -> Int[np.ndarray, "images patches"]:
    """k-means of the tokens of each image by itself, from one start by k-means++.

    Equal tokens share a cluster, and a cluster may lose all its tokens, so there may be fewer than CLUSTERS.
    """
    random = np.random.default_rng(seed)
    labels = []
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "One of the clusters is empty")
        for image in np.asarray(tokens, np.float64):
            distinct = len(np.unique(image, axis=0))
            labels.append(kmeans2(image, min(CLUSTERS, distinct), minit="++", rng=random)[1])
    return np.array(labels).astype(np.int64)


def controls(
    images: UInt8[np.ndarray, "images size size 3"], grid: int, seed: int
) -> dict[str, Int[np.ndarray, "images patches"]]:
    """The clusters of both controls. Colour and place have equal variance over all patches together."""
    count, size = images.shape[:2]
    step = size // grid
    colour = images.reshape(count, grid, step, grid, step, 3).mean((2, 4)).reshape(count, grid * grid, 3)
    place = np.stack(np.divmod(np.arange(grid * grid), grid), axis=1).astype(np.float64)
    scaled = [part / (part.reshape(-1, part.shape[-1]).var(0).sum() ** 0.5 or 1) for part in (colour, place)]
    both = np.concatenate([scaled[0], np.broadcast_to(scaled[1], (count, *place.shape))], axis=2)
    side = round(CLUSTERS**0.5)
    row, column = np.divmod(np.arange(grid * grid), grid)
    squares = (row * side // grid) * side + column * side // grid
    return {
        COLOUR_POSITION: cluster_tokens(both, seed),
        GRID: np.broadcast_to(squares, (count, grid * grid)).copy(),
    }


def score_clusters(
    clusters: Int[np.ndarray, "images patches"], owner: Int[np.ndarray, "images patches"]
) -> Clustering:
    """Clusters against objects. owner: the object of a patch, 0 where it is background."""
    several = np.array([len(np.unique(row[row > 0])) > 1 for row in owner], dtype=bool)
    some = (owner > 0).any(1)
    return Clustering(
        clusters=clusters,
        ari=foreground_ari(owner[several], clusters[several]) if several.any() else np.zeros(0),
        overlap=best_overlap(owner[some], clusters[some]) if some.any() else np.zeros(0),
    )


def best_overlap(
    owner: Int[np.ndarray, "images patches"], clusters: Int[np.ndarray, "images patches"]
) -> Float[np.ndarray, " images"]:
    """Mean best overlap: the intersection over union of each object with the cluster that fits it best, mean
    over the objects of an image (Pont-Tuset et al. 2017). Every image has an object."""
    of_object = (owner[..., None] == np.arange(1, owner.max() + 1)).astype(np.float64)
    of_cluster = (clusters[..., None] == np.arange(clusters.max() + 1)).astype(np.float64)
    shared = np.einsum("npo,npc->noc", of_object, of_cluster)
    union = of_object.sum(1)[:, :, None] + of_cluster.sum(1)[:, None, :] - shared
    best = (shared / np.maximum(union, 1)).max(2)
    present = of_object.any(1)
    return (best * present).sum(1) / present.sum(1)


def cluster_metrics(clustering: Clustering, control: Clustering | None = None) -> Metrics:
    """cluster_ari, cluster_mbo: means over images, absent where no image counts.

    control: the clusters of colour and place, whose scores are taken off image by image:
    cluster_ari_less_control with its 95 % interval, by the normal distribution of a mean.
    """
    metrics: Metrics = {}
    for name, values in (("cluster_ari", clustering.ari), ("cluster_mbo", clustering.overlap)):
        if len(values):
            metrics[name] = float(values.mean())
    if control is not None and len(control.ari) > 1:
        less = clustering.ari - control.ari
        mean, spread = float(less.mean()), 1.96 * float(less.std(ddof=1)) / len(less) ** 0.5
        metrics |= {
            "cluster_ari_less_control": mean,
            "cluster_ari_less_control_ci95_low": mean - spread,
            "cluster_ari_less_control_ci95_high": mean + spread,
        }
    return metrics
