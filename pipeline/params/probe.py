"""Section `probe`: what is learned from frozen features."""

from typing import Annotated, Literal

from pydantic import Field, field_validator

from pipeline.params.base import Section
from pipeline.params.types import (
    FEW,
    MOST_IMAGES,
    Epochs,
    Images,
    LearningRates,
    PartShare,
    Penalty,
    Seed,
    WeightDecay,
)

Penalties = Annotated[tuple[Penalty, ...], Field(min_length=1, max_length=FEW)]
Neighbors = Annotated[int, Field(ge=1, le=10**6)]


class LowShotParams(Section):
    """Probes that learn from few labels."""

    fractions: tuple[PartShare, ...] = Field(
        max_length=FEW, description="Shares of the training labels to learn from; []: no such probe."
    )
    draws: int = Field(
        ge=1,
        le=10**6,
        description="Number of random choices of those labels; mean and standard deviation are reported.",
    )


class LabelNoiseParams(Section):
    """Probes that learn from wrong labels."""

    shares: tuple[Annotated[float, Field(ge=1e-6, le=1)], ...] = Field(
        max_length=FEW,
        description="Shares of the training images whose class is drawn at random; []: no such probe.",
    )
    images: Annotated[int, Field(ge=20, le=MOST_IMAGES)] = Field(
        description="Training images to learn from, at most."
    )


class SgdParams(Section):
    """The linear probe as papers train it."""

    epochs: Epochs = Field(description="Passes over the training split; 0: no such probe.")
    optimizer: Literal["sgd", "adamw"] = Field(description="Optimiser of the linear layer.")
    batch_size: Images = Field(description="Images per step.")
    learning_rates: LearningRates = Field(description="Learning rates to choose from on the validation part.")
    momentum: float = Field(ge=0, lt=1, description="sgd: momentum.")
    weight_decay: WeightDecay = Field(description="Weight decay of the weights.")
    warmup_fraction: float = Field(
        ge=0, lt=1, description="Share of the steps over which the learning rate rises linearly."
    )


class FineTuneParams(Section):
    """The whole encoder trained on the labels."""

    epochs: Epochs = Field(description="Passes over the training split; 0: no such probe.")
    batch_size: Images = Field(description="Images per step.")
    learning_rates: LearningRates = Field(
        description="Learning rates of the last layer to choose from on the validation part."
    )
    layer_decay: float = Field(
        ge=0.001, le=1, description="Factor on the learning rate from each block to the one below it."
    )
    weight_decay: WeightDecay = Field(description="Weight decay of matrices.")
    warmup_fraction: float = Field(
        ge=0, lt=1, description="Share of the steps over which the learning rate rises linearly."
    )


class ProbeParams(Section):
    """What is learned from frozen features."""

    labels: tuple[str, ...] | None = Field(description="Names of the labels to probe; null: all.")
    l2: Penalties = Field(description="Strengths of the penalty to choose from on the validation part.")
    validation_fraction: PartShare = Field(
        description="Share of the training split that strengths and learning rates are chosen on."
    )
    knn_neighbors: Annotated[tuple[Neighbors, ...], Field(min_length=1, max_length=FEW)] = Field(
        description="Numbers of neighbours to choose from on the validation part; a single number is a list "
        "of one."
    )
    knn_temperature: float = Field(
        ge=1e-4, le=10**4, description="A neighbour's vote weighs exp(cosine similarity / knn_temperature)."
    )
    bootstrap: int = Field(
        ge=100, le=10**6, description="Number of resamples of the test images behind an interval."
    )
    seed: Seed = Field(
        description="Seed of the validation part, resamples, low_shot's draws, wrong labels and batch orders."
    )
    low_shot: LowShotParams
    label_noise: LabelNoiseParams
    sgd: SgdParams
    fine_tune: FineTuneParams

    @field_validator("knn_neighbors", mode="before")
    @classmethod
    def _one_is_a_list_of_one(cls, value: object) -> object:
        return (value,) if isinstance(value, int) else value
