"""reports/metrics/pretrain.json: what ran and where it ended; and training.csv, interaction.csv."""

from pathlib import Path

from pydantic import ConfigDict, Field

from pipeline.contracts.record import Number, Record, read_record, write_record

STAGE = "pretrain"
TRAINING = ("step", "images_seen")  # columns; the others are terms and monitors, empty where not measured
OF_LABEL = "ridge_accuracy_"  # columns of the history begin so, and end with a label; from two labels on
INTERACTION = ("group", "latent", "norm")  # norm: of a column of W, exactly 0 where it was removed


class Augment(Record):
    """Which augmentations were on."""

    crop: bool = Field(description="whether images were cropped at random")
    flip: bool = Field(description="whether images were mirrored at random")
    off_because_of: dict[str, list[str]] = Field(
        description="augmentation -> the labels that it would falsify; only augmentations that are off"
    )


class Sparsity(Record):
    """What the sparse module did; `method` alone where there is none. Further keys are a method's numbers."""

    model_config = ConfigDict(extra="allow")
    __pydantic_extra__: dict[str, Number] = Field(init=False)  # pyright: ignore

    method: str = Field(description="sparsity.method")
    lambda_: Number = Field(None, alias="lambda", description="sparsity.lambda")
    groups: int | None = Field(None, description="groups of features")
    zero_share: Number = Field(None, description="share that is zero, see docs/sparsity.md; 0 to 1")
    zero_share_live: Number = Field(None, description="the same among live latents; 0 to 1")
    live_latents: Number = Field(None, description="latents that add 1 % of an equal share of variance")
    active_groups: Number = Field(None, description="groups of an image above a tenth of the mean energy")
    dead_groups: Number = Field(None, description="groups without a column of W left")
    lambda_max: Number = Field(None, description="lambda is a fraction of it: a gradient norm")
    kl: Number = Field(None, description="KL divergence of a token's code, nats")
    latents: int | None = Field(None, description="latents of a token")
    kl_per_latent: list[Number] | None = Field(None, description="KL divergence of each latent, nats")


class Row(Record):
    """A row of the history. Further keys are loss terms and a method's numbers."""

    model_config = ConfigDict(extra="allow")
    __pydantic_extra__: dict[str, Number] = Field(init=False)  # pyright: ignore

    step: int = Field(description="steps done")
    images_seen: int = Field(description="images seen, repeats counted")
    rankme: Number = Field(None, description="directions that the features use")
    lidar: Number = Field(None, description="directions that tell images apart, however they are masked")
    feature_std: Number = Field(None, description="mean standard deviation of a feature")
    mean_cosine: Number = Field(None, description="mean cosine of two images' features; -1 to 1")
    collapsed: Number = Field(None, description="1 where images can no longer be told apart, else 0")
    knn_accuracy: Number = Field(None, description="of k-NN on training images; 0 to 1")
    ridge_accuracy: Number = Field(None, description="of a ridge probe on training images; 0 to 1")


class Pretrain(Record):
    """The whole file."""

    zero_share: Number = Field(description="of the sparse module; null without one; 0 to 1")
    sparsity: Sparsity = Field(description="what the sparse module did")
    steps: int = Field(description="optimiser steps")
    images_seen: int = Field(description="images seen, repeats counted")
    epochs: Number = Field(description="passes over the training images")
    minutes: Number = Field(description="time of training alone, minutes")
    images_per_second: Number = Field(description="median over the history")
    peak_memory_mb: Number = Field(description="largest memory, MiB: of the GPU, or of the process")
    # Of a run that went on under other conditions, each of these but `together` is as "fp32 then bf16".
    device: str = Field(description="kind and name of the device")
    processes: int | str = Field(description="processes that shared each batch")
    together: int = Field(description="runs that trained in one process")
    precision: str = Field(description="fp32 or bf16")
    compile: bool | str | None = Field(None, description="whether torch.compile compiled the model")
    torch: str = Field(description="version of torch")
    parameters: dict[str, int] = Field(description="part of the model -> number of weights")
    seed: int = Field(description="pretrain.seed")
    collapsed: bool = Field(description="whether images can no longer be told apart")
    initial: Row = Field(description="before the first step")
    final: Row = Field(description="after the last step")
    augment: Augment = Field(description="which augmentations were on")
    commit: str | None = Field(description="Git's commit, with +changes where code differs; null without Git")


def read(path: Path) -> Pretrain:
    """Raises InputError where the file is missing, broken or of another shape."""
    return read_record(path, Pretrain, STAGE)


def write(path: Path, content: Pretrain) -> None:
    """Write the file whole."""
    write_record(path, content, ("training", "interaction"))
