"""Do groups of features follow objects? Energy of every group at every patch, against the objects' masks.

Tokens are standardised feature by feature over all patches; a group's energy is the mean square of its
features. Random partitions of the same sizes are scored the same way.

Legend: images, patches of an image, dim features, groups x size (see partitions), pairs = images * patches.
"""

import numpy as np
from jaxtyping import Bool, Float, Int, UInt8
from scipy.stats import rankdata

from pipeline.interpret.nulls import null_metrics
from pipeline.interpret.partitions import group_energies, random_partitions, standardise
from pipeline.measure.metrics import Metrics
from pipeline.params import InterpretParams


def object_scores(
    tokens: Float[np.ndarray, "images patches dim"],
    partition: Int[np.ndarray, "groups size"],
    foreground: Float[np.ndarray, "images patches"],
    owner: Int[np.ndarray, "images patches"],
    params: InterpretParams,
) -> Metrics:
    """object_auroc: of the group whose energy tells patches of objects (foreground >= 1/2) from background
    best, chosen with its sign on the first half of the images and scored on the second, in [0, 1].

    object_ari: foreground adjusted Rand index of the map `strongest group of a patch` (energies standardised
    per group) against the objects, mean over images that show at least two; object_ari_images counts them.
    Each with its null from random partitions. An absent score has its reason in object_*_not_estimated.
    """
    random = np.random.default_rng(params.seed)
    images, patches, dim = tokens.shape
    flat = tokens.reshape(-1, dim)
    flat = standardise(flat, flat)
    drawn = random_partitions(partition, params.partitions, random)
    candidates = np.concatenate([partition[None], drawn])
    half = images // 2
    on = foreground >= 0.5
    halves = on[:half].ravel(), on[half:].ravel()
    with_both = all(part.any() and not part.all() for part in halves)
    several = np.array([len(np.unique(row[row > 0])) > 1 for row in owner])
    aurocs, indices = [], []
    best_group = 0
    for number, candidate in enumerate(candidates):
        energies = group_energies(flat, candidate).reshape(images, patches, -1)
        if with_both:
            chosen, score = best_auroc(energies[:half], energies[half:], on[:half], on[half:])
            best_group = chosen if number == 0 else best_group
            aurocs.append(score)
        if several.any():
            strongest = strongest_group(energies)[several]
            indices.append(foreground_ari(owner[several], strongest).mean())
    metrics: Metrics = {"object_images": images, "object_ari_images": int(several.sum())}
    if with_both:
        metrics |= {"object_auroc": float(aurocs[0]), "object_best_group": best_group}
        metrics |= null_metrics("object_auroc", aurocs[0], np.array(aurocs[1:]))
    else:
        metrics["object_auroc_not_estimated"] = "no patch, or every patch, shows an object"
    if several.any():
        metrics["object_ari"] = float(indices[0])
        metrics |= null_metrics("object_ari", indices[0], np.array(indices[1:]))
    else:
        metrics["object_ari_not_estimated"] = "no image shows two objects in patches of their own"
    return metrics


def strongest_group(
    energies: Float[np.ndarray, "images patches groups"],
) -> Int[np.ndarray, "images patches"]:
    """The group with the highest energy at each patch, relative to its mean and spread over all patches."""
    flat = energies.reshape(-1, energies.shape[-1])
    return standardise(flat, flat).argmax(1).reshape(energies.shape[:2])


def best_auroc(
    first: Float[np.ndarray, "images patches groups"],
    second: Float[np.ndarray, "others patches groups"],
    on: Bool[np.ndarray, "images patches"],
    other_on: Bool[np.ndarray, "others patches"],
) -> tuple[int, float]:
    """The group whose energy is furthest from chance on `first`, and its score on `second` with that sign."""
    scores = auroc(first.reshape(-1, first.shape[-1]), on.ravel())
    chosen = int(np.abs(scores - 0.5).argmax())
    score = float(auroc(second[..., chosen].reshape(-1, 1), other_on.ravel())[0])
    return chosen, score if scores[chosen] >= 0.5 else 1 - score


def auroc(
    values: Float[np.ndarray, "pairs groups"], on: Bool[np.ndarray, " pairs"]
) -> Float[np.ndarray, " groups"]:
    """P(value of an `on` pair > value of another), ties counted half: the area under the ROC curve."""
    positive = int(on.sum())
    ranks = rankdata(values, axis=0)[on].sum(0)
    return (ranks - positive * (positive + 1) / 2) / (positive * (len(on) - positive))


def foreground_ari(
    owner: Int[np.ndarray, "images patches"], labels: Int[np.ndarray, "images patches"]
) -> Float[np.ndarray, " images"]:
    """Adjusted Rand index (Hubert and Arabie 1985) of labels against objects, over the patches of each image
    that objects own (owner > 0); 1 where both say the same, about 0 by chance."""
    objects = np.arange(1, owner.max(initial=0) + 1)
    groups = np.arange(labels.max(initial=0) + 1)
    of_object = (owner[..., None] == objects).astype(np.float64)
    of_group = (labels[..., None] == groups).astype(np.float64) * (owner > 0)[..., None]
    table = np.einsum("npo,npg->nog", of_object, of_group)
    together = _pairs(table).sum((1, 2))
    by_object, by_group = _pairs(table.sum(2)).sum(1), _pairs(table.sum(1)).sum(1)
    expected = by_object * by_group / np.maximum(_pairs(table.sum((1, 2))), 1)
    most = (by_object + by_group) / 2
    trivial = most <= expected
    return np.where(trivial, 1.0, (together - expected) / np.where(trivial, 1.0, most - expected))


def _pairs(counts: np.ndarray) -> np.ndarray:
    return counts * (counts - 1) / 2


def patch_masks(
    foreground: UInt8[np.ndarray, "images rows columns"],
    owner: UInt8[np.ndarray, "images rows columns"],
    grid: int,
) -> tuple[Float[np.ndarray, "images patches"], Int[np.ndarray, "images patches"]]:
    """Cells joined to grid x grid patches: covered share in [0, 1], and the object that owns most of a
    patch's cells, 0 where objects own fewer than half of them. Cells of which a patch holds a part only
    cannot be joined: `grid` must divide their number."""
    images, rows, _ = foreground.shape
    step = rows // grid
    shape = (images, grid, step, grid, step)
    covered = foreground.reshape(shape).mean((2, 4)) / 255
    cells = owner.reshape(shape).transpose(0, 1, 3, 2, 4).reshape(images, grid * grid, step * step)
    votes = (cells[..., None] == np.arange(1, max(int(owner.max(initial=0)), 1) + 1)).sum(2)
    owned = votes.sum(-1) * 2 >= step * step
    return covered.reshape(images, -1), np.where(owned, votes.argmax(-1) + 1, 0).astype(np.int64)
