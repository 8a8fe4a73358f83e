"""Section `interpret`: what groups of features stand for."""

from typing import Annotated

from pydantic import Field

from pipeline.params.base import Section
from pipeline.params.types import FEW, MOST_IMAGES, Penalty, Seed


class InterpretParams(Section):
    """What groups of features stand for."""

    images: int = Field(
        ge=2, le=MOST_IMAGES, description="Largest number of images of each split that are used."
    )
    partitions: int = Field(
        ge=50,
        le=10**6,
        description="Number of random partitions, with groups of the same sizes, that give chance level.",
    )
    subsamples: int = Field(
        ge=2,
        le=10**6,
        description="Number of random halves of the images behind an interval of total correlation.",
    )
    noise: tuple[Annotated[float, Field(ge=1e-6, le=10**6)], ...] = Field(
        max_length=FEW,
        description="Total correlation is also measured under independent noise of these standard "
        "deviations.",
    )
    l2: Penalty = Field(description="Strength of the penalty of the ridge probes of groups.")
    bins: int = Field(
        ge=2, le=1024, description="Number of bins of a feature in estimates of its mutual information."
    )
    knn_images: Annotated[int, Field(ge=1, le=10**6)] = Field(
        description="Number of images in the nearest-neighbour estimate of total correlation, and of test "
        "images whose nearest neighbours are looked up at equal numbers of active units."
    )
    knn_neighbors: Annotated[int, Field(ge=1, le=10**6)] = Field(
        description="Number of neighbours in that estimate."
    )
    object_images: int = Field(
        ge=2,
        le=MOST_IMAGES,
        description="Number of test images whose patches are compared with object masks.",
    )
    umap: bool = Field(
        description="Whether the map of test images is drawn by UMAP too, beside the principal components. "
        "It needs the extra `umap`."
    )
    compare: tuple[str, ...] = Field(
        max_length=FEW,
        description="Folders artifacts/ of other runs on the same images, such as one with lambda 0.",
    )
    seed: Seed = Field(description="Seed of partitions, noise, subsamples and k-means.")
