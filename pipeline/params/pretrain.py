"""Section `pretrain`: how long and how fast it learns."""

from typing import Annotated

from pydantic import Field, ValidationInfo, field_validator

from pipeline.params.base import Section
from pipeline.params.types import MOST_IMAGES, LearningRate, Positive, Seed, Share, WeightDecay, ZeroOr

Beta = Annotated[float, Field(ge=0, lt=1)]


class PretrainParams(Section):
    """How long and how fast it learns."""

    seed: Seed = Field(description="Seed of weights, batch order, augmentation and masks.")
    steps: Positive = Field(description="Number of optimiser steps.")
    batch_size: int = Field(ge=2, le=MOST_IMAGES, description="Images per step.")
    accumulation: Positive = Field(
        description="Number of equal micro-batches that a step's images are split into, each of 2 images or "
        "more."
    )
    learning_rate: LearningRate = Field(description="Learning rate of AdamW after warm-up.")
    warmup_fraction: float = Field(
        ge=0, lt=1, description="Share of the steps over which the learning rate rises linearly."
    )
    final_fraction: Share = Field(
        description="Share of the learning rate that a cosine falls to at the last step."
    )
    weight_decay: WeightDecay = Field(
        description="Weight decay of matrices; vectors and positions have none."
    )
    betas: tuple[Beta, Beta] = Field(description="Both betas of AdamW.")
    grad_clip: Annotated[float, ZeroOr(1e-6, 10**6)] = Field(
        description="Largest norm of the gradient, to which it is scaled down; 0 is off."
    )
    history_every: Positive = Field(description="Steps between two rows of reports/plots/training.csv.")
    monitor_every: Positive = Field(
        description="Steps between two measurements of the features (rank, k-NN, ridge probe)."
    )
    monitor_images: int = Field(
        ge=100,
        le=MOST_IMAGES,
        description="Number of training images that those measurements use; they are not trained on.",
    )

    @field_validator("accumulation")
    @classmethod
    def _splits_the_batch(cls, accumulation: int, info: ValidationInfo) -> int:
        batch_size = info.data.get("batch_size")
        if batch_size is not None and (batch_size % accumulation or batch_size // accumulation < 2):
            raise ValueError(
                f"must split pretrain.batch_size ({batch_size}) into equal parts of 2 or more, "
                f"got {accumulation}"
            )
        return accumulation
