"""Cosine k-nearest-neighbour classification.

Source: Wu et al. 2018, Unsupervised Feature Learning via Non-Parametric Instance Discrimination, section 3.4.
Legend: images to search in, others to classify, dim of the features.
"""

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional as F

from pipeline.files import InputError

SIMILARITIES = 2**25  # per chunk: 128 MiB


def neighbors(
    train: Float[Tensor, "images dim"], test: Float[Tensor, "others dim"], num_neighbors: int
) -> tuple[Float[Tensor, "others neighbors"], Int[Tensor, "others neighbors"]]:
    """Cosine and index of the `num_neighbors` most similar training images of each test image.

    A feature of zeros has cosine 0 with all. Memory: one block of 2^25 similarities.

    Raises InputError where there are fewer training images than neighbours.
    """
    if num_neighbors > len(train):
        raise InputError(
            f"probe.knn_neighbors: must be <= the {len(train)} labelled training images, got {num_neighbors}"
        )
    base = F.normalize(train, dim=1).T.contiguous()
    found = [
        (F.normalize(chunk, dim=1) @ base).topk(num_neighbors, dim=1)
        for chunk in test.split(max(SIMILARITIES // len(train), 1))
    ]
    return torch.cat([top.values for top in found]), torch.cat([top.indices for top in found])


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
    num_neighbors: int,
    temperature: float,
) -> dict[str, Int[Tensor, " others"]]:
    """Predicted class of every test image for every label.

    Training images whose target is -1 are not searched; labels that miss the same images share one search.
    Raises InputError as `neighbors` does.
    """
    groups: dict[bytes, list[str]] = {}
    for name, target in targets.items():
        groups.setdefault((target >= 0).cpu().numpy().tobytes(), []).append(name)
    predicted = {}
    for names in groups.values():
        known = targets[names[0]] >= 0
        cosines, indices = neighbors(train[known], test, num_neighbors)
        for name in names:
            predicted[name] = vote(cosines, targets[name][known][indices], num_classes[name], temperature)
    return {name: predicted[name] for name in targets}
