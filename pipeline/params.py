"""The frozen, closed, described tree of params.yaml. It holds no default and no logic beyond checks.

`load` reads the file; every mistake becomes one line that begins with the dotted path.
"""

from pathlib import Path
from typing import Annotated, Any, Literal, get_args

import yaml
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)
from pydantic_core import PydanticCustomError

from pipeline.files import InputError, ParamsError

Seed = Annotated[int, Field(ge=0, lt=2**31)]
Positive = Annotated[int, Field(ge=1)]
Fraction = Annotated[float, Field(gt=0, le=1)]
Range = tuple[float, float]
SetName = Literal["scenes", "cifar10", "cifar100", "folder", "clevr"]
SetEntry = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]*(:.+)?$")]
ON_DISK = ("folder", "clevr")  # sets that are neither made nor downloaded
LearningRates = Annotated[tuple[Annotated[float, Field(gt=0)], ...], Field(min_length=1)]


class Section(BaseModel):
    """A part of params.yaml: frozen, and closed to keys it does not know."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    @field_validator("*", mode="before")
    @classmethod
    def _no_bool_for_number(cls, value: object, info: ValidationInfo) -> object:
        """Pydantic would read `steps: true` as 1."""
        if isinstance(value, bool) and cls.model_fields[str(info.field_name)].annotation is not bool:
            raise PydanticCustomError("bool", "must not be true or false")
        return value


def _require(condition: bool, path: str, message: str) -> None:
    if not condition:
        raise ParamsError(f"{path}: {message}")


class ScenesParams(Section):
    variant: Literal["textured", "factors", "mixed", "single"] = Field(description="what is drawn")
    num_train: Positive = Field(description="images to train on")
    num_test: Positive = Field(description="images to score on")


class DataParams(Section):
    name: SetName = Field(description="the set to pretrain on")
    root: Path | None = Field(description="folder of the set's files; null: made or downloaded")
    image_size: int = Field(ge=8, le=512, description="side of the stored square images, pixels")
    seed: Seed = Field(description="of generated scenes and of a folder's own split")
    test_fraction: float = Field(gt=0, lt=1, description="share of a folder without train/ and test/")
    max_broken: int = Field(ge=0, description="unreadable files that a folder may have")
    scenes: ScenesParams

    @model_validator(mode="after")
    def _check(self) -> "DataParams":
        _require(
            self.image_size % 4 == 0, "data.image_size", f"must be a multiple of 4, got {self.image_size}"
        )
        _require(
            self.name not in ON_DISK or self.root is not None,
            "data.root",
            f"must name a folder of images where data.name is {self.name}",
        )
        _require(
            self.name != "scenes" or self.root is None,
            "data.root",
            f"scenes are generated, they have no files; set data.name too, or leave out {self.root}",
        )
        return self


class AugmentParams(Section):
    crop_scale: Range = Field(description="smallest and largest share of the image's area in a crop")
    crop_ratio: Range = Field(description="smallest and largest width / height of a crop")
    flip: bool = Field(description="mirror half of the images")

    @model_validator(mode="after")
    def _check(self) -> "AugmentParams":
        _require_range(self.crop_scale, "augment.crop_scale", low=0, high=1)
        _require_range(self.crop_ratio, "augment.crop_ratio", low=0, high=10)
        return self


class PredictorParams(Section):
    embed_dim: Positive = Field(description="width")
    depth: Positive = Field(description="blocks")
    num_heads: Positive = Field(description="attention heads")
    joint: bool = Field(description="predict all target blocks of an image in one pass")

    @model_validator(mode="after")
    def _check(self) -> "PredictorParams":
        _require_heads(self.embed_dim, self.num_heads, "model.predictor")
        return self


class ModelParams(Section):
    name: str | None = Field(description="timm architecture; null: the dimensions below")
    patch_size: Positive = Field(description="side of a patch, pixels")
    embed_dim: Positive = Field(description="width of the encoder")
    depth: Positive = Field(description="blocks of the encoder")
    num_heads: Positive = Field(description="attention heads of the encoder")
    mlp_ratio: float = Field(gt=0, description="hidden width of a block's MLP / embed_dim")
    predictor: PredictorParams

    @model_validator(mode="after")
    def _check(self) -> "ModelParams":
        _require_heads(self.embed_dim, self.num_heads, "model")
        return self


class MaskingParams(Section):
    mode: Literal["multiblock", "ijepa"] = Field(description="sampler of context and targets")
    num_targets: Positive = Field(description="target blocks per image")
    target_sizes: Annotated[tuple[tuple[Positive, Positive], ...], Field(min_length=1)] = Field(
        description="multiblock: (rows, columns) of patches to draw from"
    )
    num_context: Positive = Field(description="multiblock: context patches per image")
    target_scale: Range = Field(description="ijepa: share of the grid in a target block")
    target_ratio: Range = Field(description="ijepa: height / width of a target block")
    context_scale: Range = Field(description="ijepa: share of the grid in the context block")
    min_keep: Positive = Field(description="ijepa: a block has more patches than this")

    @model_validator(mode="after")
    def _check(self) -> "MaskingParams":
        _require_range(self.target_scale, "masking.target_scale", low=0, high=1)
        _require_range(self.target_ratio, "masking.target_ratio", low=0, high=10)
        _require_range(self.context_scale, "masking.context_scale", low=0, high=1)
        return self


class ObjectiveParams(Section):
    loss: Literal["smooth_l1", "mse"] = Field(description="distance between prediction and target")
    ema_momentum: Range = Field(description="of the target encoder at the first and at the last step")

    @model_validator(mode="after")
    def _check(self) -> "ObjectiveParams":
        first, last = self.ema_momentum
        _require(0 <= first <= 1 and 0 <= last <= 1, "objective.ema_momentum", "both must lie in [0, 1]")
        return self


class RegularizerParams(Section):
    name: Literal["none", "vicreg", "sigreg"] = Field(
        description="term against collapse, on pooled context features"
    )
    weight: float = Field(ge=0, description="its weight in the loss")


class RdmregParams(Section):
    p: float = Field(gt=0, description="shape of the generalised Gaussian: 1 Laplace, 2 normal")
    mu: float = Field(description="its mean before rectification; lower is sparser")
    projections: Positive = Field(description="random directions per step")


class SparsityParams(Section):
    method: Literal["none", "oi_vae", "group_lasso", "l1", "rdmreg", "topk"] = Field(
        description="what makes the representation sparse"
    )
    lambda_: float = Field(alias="lambda", ge=0, description="strength of the sparsity; 0 is dense")
    groups: Positive = Field(description="groups of features (topk: of latents)")
    site: Literal["tokens", "pooled"] = Field(description="context tokens, or their mean per image")
    assignment: Literal["contiguous", "learned"] = Field(description="which features share a group")
    regroup_every: Positive = Field(description="learned: steps between assignments, in the first half")
    stop_gradient: bool = Field(description="keep the module's gradient from the encoder")
    weight: float = Field(gt=0, description="oi_vae, topk: of the module's terms in the loss")
    weight_warmup: Annotated[float, Field(ge=0, le=1)] = Field(description="share of the steps it rises over")
    latent_dim: Positive = Field(description="oi_vae, topk: latents per token")
    generator: Literal["linear", "gelu"] = Field(description="oi_vae: f_g, after W and before A")
    generator_width: Positive = Field(description="oi_vae: numbers that W gives each group")
    generator_scale: Literal["fixed", "free"] = Field(
        description="oi_vae: prior on f_g; free lets W's scale leak into it"
    )
    beta: float = Field(ge=0, description="oi_vae: of the KL divergence; 1 is the evidence lower bound")
    beta_warmup: Annotated[float, Field(ge=0, le=1)] = Field(description="share of the steps it rises over")
    lambda_warmup: Annotated[float, Field(ge=0, le=1)] = Field(description="share of the steps it rises over")
    free_bits: float = Field(ge=0, description="oi_vae: nats of KL per latent that cost nothing extra")
    learning_rate: float = Field(
        gt=0, le=1, description="oi_vae: of W, times p / latent_dim and pretrain's schedule"
    )
    topk: Positive = Field(description="topk: groups kept per token")
    rdmreg: RdmregParams

    @model_validator(mode="after")
    def _check(self) -> "SparsityParams":
        if self.method == "topk":
            _require(
                self.topk <= self.groups,
                "sparsity.topk",
                f"keeps at most all {self.groups} groups, got {self.topk}",
            )
            _require(
                self.latent_dim % self.groups == 0,
                "sparsity.groups",
                f"must divide sparsity.latent_dim ({self.latent_dim}) for topk, got {self.groups}",
            )
        return self


class PretrainParams(Section):
    seed: Seed = Field(description="of weights, batch order, augmentation and masks")
    steps: Positive = Field(description="optimiser steps")
    batch_size: int = Field(ge=2, description="images per step")
    accumulation: Positive = Field(description="micro-batches that a step's images are split in")
    learning_rate: float = Field(gt=0, description="of AdamW after warm-up")
    warmup_fraction: float = Field(ge=0, lt=1, description="share of the steps with rising learning rate")
    final_fraction: float = Field(ge=0, le=1, description="of the learning rate, reached by a cosine")
    weight_decay: float = Field(ge=0, description="of matrices; vectors and positions have none")
    betas: tuple[Annotated[float, Field(ge=0, lt=1)], Annotated[float, Field(ge=0, lt=1)]] = Field(
        description="of AdamW"
    )
    grad_clip: float = Field(ge=0, description="largest gradient norm; 0 is off")
    history_every: Positive = Field(description="steps between rows of the history")
    monitor_every: Positive = Field(description="steps between looks at the features")
    monitor_images: int = Field(ge=100, description="training images that the monitors look at")

    @model_validator(mode="after")
    def _check(self) -> "PretrainParams":
        _require(
            self.batch_size % self.accumulation == 0 and self.batch_size // self.accumulation >= 2,
            "pretrain.accumulation",
            f"must split pretrain.batch_size ({self.batch_size}) in equal parts of 2 or more, "
            f"got {self.accumulation}",
        )
        return self


class ReferenceParams(Section):
    name: str | None = Field(description="timm architecture to embed with too; null: none")
    weights: Path | None = Field(description="local file of its weights")

    @model_validator(mode="after")
    def _check(self) -> "ReferenceParams":
        _require(
            (self.name is None) == (self.weights is None),
            "embed.reference",
            f"needs both name and weights, or neither, got {self.name} and {self.weights}",
        )
        return self


class EmbedParams(Section):
    sets: tuple[SetEntry, ...] = Field(
        description="sets to embed and probe besides data.name: name or name:path"
    )
    batch_size: Positive = Field(description="images per forward pass")
    last_blocks: int = Field(ge=0, description="blocks of the view last_blocks, all where fewer; 0: no view")
    token_images: int = Field(ge=0, description="images of each split whose patches are probed")
    reference: ReferenceParams

    @model_validator(mode="after")
    def _check(self) -> "EmbedParams":
        made = tuple(name for name in get_args(SetName) if name not in ON_DISK)
        paths: dict[str, str] = {}
        for entry in self.sets:
            name, _, path = entry.partition(":")
            _require(name != "summary", "embed.sets", "summary is a key of probe.json; choose another name")
            _require(name != "scenes" or not path, "embed.sets", f"scenes are generated, leave out {path}")
            _require(paths.setdefault(name, path) == path, "embed.sets", f"{name} is named with two paths")
            known = name in made or name in get_args(SetName)  # Params checks those against data.name
            _require(
                known or bool(path),
                "embed.sets",
                f"{name} is none of {', '.join(made)}; a folder of images is {name}:PATH",
            )
        return self


class LowShotParams(Section):
    fractions: tuple[Annotated[float, Field(gt=0, lt=1)], ...] = Field(
        description="shares of the training labels to learn from"
    )
    draws: Positive = Field(description="random choices of those labels; mean and spread are reported")


class SgdParams(Section):
    epochs: int = Field(ge=0, description="passes over the training split; 0: no such probe")
    optimizer: Literal["sgd", "adamw"] = Field(description="of the linear layer")
    batch_size: Positive = Field(description="images per step")
    learning_rates: LearningRates = Field(description="to choose from on the validation part")
    momentum: float = Field(ge=0, lt=1, description="sgd: of the gradient")
    weight_decay: float = Field(ge=0, description="of the weights")
    warmup_fraction: float = Field(ge=0, lt=1, description="share of the steps with rising learning rate")


class FineTuneParams(Section):
    epochs: int = Field(ge=0, description="passes over the training split; 0: no such probe")
    batch_size: Positive = Field(description="images per step")
    learning_rates: LearningRates = Field(description="of the last layer, to choose from on validation")
    layer_decay: float = Field(gt=0, le=1, description="of the learning rate from a block to the one below")
    weight_decay: float = Field(ge=0, description="of matrices")
    warmup_fraction: float = Field(ge=0, lt=1, description="share of the steps with rising learning rate")


class ProbeParams(Section):
    labels: tuple[str, ...] | None = Field(description="labels to probe; null: all")
    l2: Annotated[tuple[Annotated[float, Field(gt=0)], ...], Field(min_length=1)] = Field(
        description="strengths of the penalty to choose from"
    )
    validation_fraction: float = Field(gt=0, lt=1, description="part of the training split to choose on")
    knn_neighbors: Annotated[tuple[Positive, ...], Field(min_length=1)] = Field(
        description="numbers of neighbours that vote, to choose from on the validation part"
    )
    knn_temperature: float = Field(gt=0, description="of the votes' weights exp(cosine / temperature)")
    bootstrap: int = Field(ge=100, description="resamples of the test images behind an interval")
    seed: Seed = Field(description="of the validation split, the resamples, draws and batch orders")
    low_shot: LowShotParams
    sgd: SgdParams
    fine_tune: FineTuneParams

    @field_validator("knn_neighbors", mode="before")
    @classmethod
    def _one_is_a_list_of_one(cls, value: object) -> object:
        return (value,) if isinstance(value, int) else value


class SparseAutoencoderParams(Section):
    """The rival that is fitted to frozen features."""

    units: Positive = Field(description="of the code; active per image are as many as the run's groups")
    steps: Positive = Field(description="of Adam")
    batch_size: Positive = Field(description="images per step")
    learning_rate: float = Field(gt=0, description="of Adam")


class InterpretParams(Section):
    images: int = Field(ge=2, description="images of each split that are looked at, at most")
    partitions: int = Field(ge=50, description="random partitions of the same sizes behind every null")
    subsamples: int = Field(ge=2, description="halves of the images behind an interval of total correlation")
    noise: tuple[Annotated[float, Field(gt=0)], ...] = Field(
        description="independent noise, in standard deviations, under which total correlation is shown too"
    )
    l2: float = Field(gt=0, description="penalty of the ridge probes of groups")
    bins: int = Field(ge=2, description="of a feature, for the information it gives by itself")
    knn_images: Positive = Field(description="images of the neighbours' estimate")
    knn_neighbors: Positive = Field(description="neighbours of that estimate")
    object_images: int = Field(ge=2, description="test images whose patches are compared with object masks")
    compare: tuple[str, ...] = Field(
        description="folders artifacts/ of other runs on the same images, such as one with lambda 0"
    )
    sae: SparseAutoencoderParams
    seed: Seed = Field(description="of partitions, noise, subsamples, k-means and the sparse autoencoder")


class RuntimeParams(Section):
    """Where and how it runs; nothing here changes what is computed beyond rounding."""

    device: str = Field(pattern=r"^(auto|cpu|cuda(:\d+)?)$", description="auto, cpu, cuda or cuda:N")
    precision: Literal["auto", "fp32", "bf16"] = Field(description="of the forward and backward pass")
    threads: int = Field(ge=0, description="torch threads, shared out between processes; 0: all")
    processes: Positive = Field(description="of pretrain, sharing each batch; on CUDA one per GPU")
    workers: int = Field(ge=0, description="processes of prepare; 0: one per core")
    compile: bool = Field(description="torch.compile the networks")
    checkpoint_seconds: float = Field(ge=0, description="between resume states; 0: after every step")
    log_seconds: float = Field(gt=0, description="between progress lines where there is no terminal")


class Params(Section):
    """All of params.yaml."""

    data: DataParams
    augment: AugmentParams
    model: ModelParams
    masking: MaskingParams
    objective: ObjectiveParams
    regularizer: RegularizerParams
    sparsity: SparsityParams
    pretrain: PretrainParams
    embed: EmbedParams
    probe: ProbeParams
    interpret: InterpretParams
    runtime: RuntimeParams

    @model_validator(mode="after")
    def _check(self) -> "Params":
        for name, _, path in (entry.partition(":") for entry in self.embed.sets):
            own = name == self.data.name
            _require(not own or not path, "embed.sets", f"{name} is data.name; give {path} another name")
            _require(
                own or name not in ON_DISK or bool(path), "embed.sets", f"{name} needs a path, {name}:PATH"
            )
        size, patch = self.data.image_size, self.model.patch_size
        _require(size % patch == 0, "model.patch_size", f"must divide data.image_size ({size}), got {patch}")
        dim, groups = self.model.embed_dim, self.sparsity.groups
        _require(
            dim % groups == 0 or self.sparsity.method == "none" or self.model.name is not None,
            "sparsity.groups",
            f"must divide model.embed_dim ({dim}), got {groups}",
        )
        grid = size // patch
        _require(
            grid > 1, "model.patch_size", f"must leave at least 2x2 patches of {size} pixels, got {patch}"
        )
        for rows, columns in self.masking.target_sizes if self.masking.mode == "multiblock" else ():
            _require(
                rows <= grid and columns <= grid,
                "masking.target_sizes",
                f"a block of {rows}x{columns} patches does not fit in the {grid}x{grid} grid",
            )
            places = (grid - rows + 1) * (grid - columns + 1)
            _require(
                self.masking.num_targets <= places,
                "masking.num_targets",
                f"a block of {rows}x{columns} has {places} places in the {grid}x{grid} grid, "
                f"got {self.masking.num_targets}",
            )
            free = grid * grid - self.masking.num_targets * rows * columns
            _require(
                self.masking.num_context <= free,
                "masking.num_context",
                f"{self.masking.num_targets} targets of {rows}x{columns} leave {max(free, 0)} of "
                f"{grid * grid} patches free, got {self.masking.num_context}",
            )
        return self


def load(path: Path) -> Params:
    """Read and check a params.yaml.

    Raises ParamsError (exit status 2), one line that begins with the dotted path, for the first mistake
    found; InputError (exit status 1) where there is no such file.
    """
    try:
        tree = yaml.safe_load(path.read_text())
    except FileNotFoundError:
        raise InputError(f"{path}: not found") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ParamsError(f"{path.name}: not valid YAML: {' '.join(str(error).split())}") from None
    if not isinstance(tree, dict):
        raise ParamsError(f"{path.name}: must hold sections such as data and model")
    return validate(tree)


def validate(tree: dict[str, Any]) -> Params:
    """Check a tree as params.yaml holds it. Raises ParamsError as `load` does."""
    try:
        return Params.model_validate(tree)
    except ValidationError as error:
        raise ParamsError(_one_line(error)) from None


def _one_line(error: ValidationError) -> str:
    first = error.errors()[0]
    if first["type"] == "value_error":  # raised by a check above, which named its own path
        return str(first.get("ctx", {})["error"])
    dotted = ".".join(str(part) for part in first["loc"])
    if first["type"] == "extra_forbidden":
        return f"{dotted}: unknown key"
    if first["type"] == "missing":
        return f"{dotted}: missing"
    message = first["msg"][0].lower() + first["msg"][1:]
    return (
        f"{dotted}: {message.replace('input ', '').replace('should be', 'must be')}, got {first['input']!r}"
    )


def _require_heads(embed_dim: int, num_heads: int, path: str) -> None:
    _require(
        embed_dim % num_heads == 0,
        f"{path}.num_heads",
        f"must divide {path}.embed_dim ({embed_dim}), got {num_heads}",
    )
    _require(
        embed_dim % 4 == 0,
        f"{path}.embed_dim",
        f"must be a multiple of 4 (sin-cos positions), got {embed_dim}",
    )


def _require_range(limits: Range, path: str, low: float, high: float) -> None:
    first, last = limits
    _require(
        low < first <= last <= high,
        path,
        f"must be two numbers, {low} < first <= second <= {high}, got {limits}",
    )
