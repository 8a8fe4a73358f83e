"""Cosine k-nearest-neighbour classification.

Source: Wu et al. 2018, Unsupervised Feature Learning via Non-Parametric Instance Discrimination, section 3.4.
Legend: images to search in, others to classify, dim of the features.
"""

from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.nn import functional as F

from pipeline.files import InputError
from pipeline.measure.metrics import accuracy
from pipeline.measure.same_images import with_the_same_images

SIMILARITIES = 2**22  # per chunk: 16 MiB stay in a cache while they are searched
FEWEST = 64  # rows of a chunk: a product of fewer is slow
LINES = 8  # that a search for the largest folds each row into
MAX_JUDGED = 2000  # validation images: a standard error of a point is enough to choose by


class Search(NamedTuple):
    """known: the training images to search in. num_neighbors: how many of them to find."""

    known: Bool[Tensor, " images"]
    num_neighbors: int


class Neighbors(NamedTuple):
    """The most similar training images of each test image, by descending cosine."""

    cosines: Float[Tensor, "others neighbors"]
    indices: Int[Tensor, "others neighbors"]


def neighbors(
    train: Float[Tensor, "images dim"], test: Float[Tensor, "others dim"], searches: list[Search]
) -> list[Neighbors]:
    """What each search finds. All searches share the cosines, which cost most.

    A feature of zeros has cosine 0 with all. Memory: two blocks of 2^22 similarities, or of 64 rows.

    Raises InputError where a search has fewer training images than neighbours.
    """
    if not searches:
        return []
    for known, num_neighbors in searches:
        _check(num_neighbors, int(known.sum()))
    of_any = torch.stack([known for known, _ in searches]).any(0)
    place = of_any.nonzero()[:, 0]
    base = F.normalize(train[of_any], dim=1).T.contiguous()
    unknown = [~known[of_any] for known, _ in searches]
    masks = [mask if bool(mask.any()) else None for mask in unknown]
    found: list[list[tuple[Tensor, Tensor]]] = [[] for _ in searches]
    for chunk in test.split(max(SIMILARITIES // len(place), FEWEST)):
        similarities = F.normalize(chunk, dim=1) @ base
        for blocks, mask, (_, num_neighbors) in zip(found, masks, searches, strict=True):
            values = similarities if mask is None else similarities.masked_fill(mask, -torch.inf)
            blocks.append(_largest(values, num_neighbors))
    columns = (zip(*blocks, strict=True) for blocks in found)
    return [Neighbors(torch.cat(cosines), place[torch.cat(indices)]) for cosines, indices in columns]


def _largest(values: Float[Tensor, "others images"], count: int) -> tuple[Tensor, Tensor]:
    """`topk` of every row, in half the time: the largest are in the `count` columns with the largest maxima,
    where the images of a row stand in lines of `LINES` columns. What is left over is searched whole."""
    width = values.shape[1] // LINES
    if count > width:
        top = values.topk(count, dim=1)
        return top.values, top.indices
    lines = values[:, : LINES * width].unflatten(1, (LINES, width))
    columns = lines.amax(1).topk(count, dim=1, sorted=False).indices
    first = width * torch.arange(LINES, device=values.device)
    rest = torch.arange(LINES * width, values.shape[1], device=values.device).expand(len(values), -1)
    candidates = torch.cat([(columns[:, None] + first[:, None]).flatten(1), rest], dim=1)
    top = values.gather(1, candidates).topk(count, dim=1)
    return top.values, candidates.gather(1, top.indices)


def vote(
    cosines: Float[Tensor, "others neighbors"],
    classes: Int[Tensor, "others neighbors"],
    num_classes: int,
    temperature: float,
) -> Int[Tensor, " others"]:
    """The class with the largest sum over neighbours of exp(cosine / temperature); the lowest of equals."""
    # Shifted by the best cosine: the winner is the same, and small temperatures do not overflow.
    weights = ((cosines - cosines[:, :1]) / temperature).exp()
    votes = torch.zeros(len(cosines), num_classes, dtype=weights.dtype, device=weights.device)
    return votes.scatter_add(1, classes, weights).argmax(1)


def classify(
    train: Float[Tensor, "images dim"],
    test: Float[Tensor, "others dim"],
    targets: dict[str, Int[Tensor, " images"]],
    num_classes: dict[str, int],
    num_neighbors: int | dict[str, int],
    temperature: float,
) -> dict[str, Int[Tensor, " others"]]:
    """Predicted class of every test image for every label; `num_neighbors` of all labels, or of each.

    Training images whose target is -1 are not searched.
    Raises InputError as `neighbors` does.
    """
    votes = dict.fromkeys(targets, num_neighbors) if isinstance(num_neighbors, int) else num_neighbors
    predicted = {}
    groups = _groups(targets)
    searches = [Search(targets[names[0]] >= 0, max(votes[name] for name in names)) for names in groups]
    for names, (cosines, indices) in zip(groups, neighbors(train, test, searches), strict=True):
        for name in names:
            nearest = slice(votes[name])
            classes = targets[name][indices[:, nearest]]
            predicted[name] = vote(cosines[:, nearest], classes, num_classes[name], temperature)
    return {name: predicted[name] for name in targets}


def choose_neighbors(
    train: Float[Tensor, "images dim"],
    targets: dict[str, Int[Tensor, " images"]],
    num_classes: dict[str, int],
    grid: tuple[int, ...],
    temperature: float,
    validation: Bool[Tensor, " images"],
) -> dict[str, int]:
    """For every label the number of neighbours with the highest validation accuracy, the smallest of equals.

    At most 2,000 images of the validation part are classified. A search serves the whole grid.

    Raises InputError where the labelled images are fewer than the largest number of the grid.
    """
    ascending = sorted(grid)
    judged = validation.nonzero()[:MAX_JUDGED, 0]
    chosen = dict.fromkeys(targets, ascending[0])
    groups = _groups(targets)
    known = [targets[names[0]] >= 0 for names in groups]
    if len(ascending) == 1:
        for images in known:
            _check(ascending[0], int(images.sum()))
        return chosen
    searches = [Search(images & ~validation, ascending[-1]) for images in known]
    for names, (cosines, indices) in zip(groups, neighbors(train, train[judged], searches), strict=True):
        for name in names:
            classes, truth = targets[name][indices], targets[name][judged]
            scores = [
                accuracy(vote(cosines[:, :k], classes[:, :k], num_classes[name], temperature), truth)
                for k in ascending
            ]
            chosen[name] = ascending[scores.index(max(scores))]
    return chosen


def _groups(targets: dict[str, Tensor]) -> list[list[str]]:
    return with_the_same_images({name: (target >= 0).cpu().numpy() for name, target in targets.items()})


def _check(num_neighbors: int, num_images: int) -> None:
    if num_neighbors > num_images:
        raise InputError(
            f"probe.knn_neighbors: must be <= the {num_images} labelled training images, got {num_neighbors}"
        )
