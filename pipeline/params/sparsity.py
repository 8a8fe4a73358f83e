"""Section `sparsity`: what makes the representation sparse."""

from typing import Annotated, Literal

from pydantic import Field, ValidationInfo, field_validator

from pipeline.params.base import Section
from pipeline.params.registry import OI_VAES, SPARSITY_METHODS
from pipeline.params.types import OneOf, Positive, Share, Weight, Width


class RdmregParams(Section):
    """The distribution that rdmreg pulls rectified features towards."""

    p: float = Field(
        ge=0.1, le=100, description="rdmreg: shape of the generalised Gaussian; 1 is Laplace, 2 is normal."
    )
    mu: float = Field(
        ge=-100, le=100, description="rdmreg: mean before rectification; the lower, the sparser."
    )
    projections: Width = Field(description="rdmreg: number of random directions per step.")
    rectifies: Literal["copy", "embedding"] = Field(
        description="rdmreg: what is rectified. copy: features that only the distance reads. embedding: "
        "those that the predictor reads and predicts too, as published."
    )


class SparsityParams(Section):
    """What makes the representation sparse."""

    method: Annotated[str, OneOf(SPARSITY_METHODS)] = Field(
        description="The sparsity method; none is plain I-JEPA. oi_vae_blocks is a control: oi_vae with "
        "its params, but each latent feeds one group from the first step."
    )
    lambda_: Weight = Field(
        alias="lambda",
        description="Strength of the sparsity; 0 is dense. oi_vae: a fraction, at most 1, of the smallest "
        "strength at which every column of W is zero, which is estimated while training. group_lasso, l1: "
        "the penalty as a share of the prediction loss; zeros appear from 1 on. rdmreg: weight of its "
        "distance in the loss. topk does not use it.",
    )
    groups: Width = Field(
        description="Number of groups of features, which must divide model.embed_dim. topk, oi_vae_blocks: "
        "of latents too, so that it must divide latent_dim."
    )
    site: Literal["tokens", "pooled", "predictor"] = Field(
        description="What is made sparse: each context token, the mean of an image's context tokens, or "
        "(oi_vae) each predicted token. There the module makes the prediction, and its reconstruction takes "
        "the place of the prediction loss."
    )
    assignment: Literal["contiguous", "learned"] = Field(
        description="Which features form a group: neighbours, or those that correlate."
    )
    regroup_every: Positive = Field(
        description="learned assignment: steps between two assignments, in the first half of the run."
    )
    stop_gradient: bool = Field(
        description="Whether the sparse module's gradient is kept from the encoder, which then trains as if "
        "there were no module."
    )
    weight: float = Field(
        ge=1e-6, le=10**6, description="oi_vae, topk: weight of the module's terms in the loss."
    )
    weight_warmup: Share = Field(description="Share of the steps over which weight rises from zero.")
    latent_dim: Width = Field(description="oi_vae, topk: number of latents per token.")
    generator: Literal["linear", "gelu"] = Field(
        description="oi_vae: what a group's generator f_g does with its inputs before the last linear map "
        "A_g."
    )
    generator_width: Width = Field(
        description="oi_vae: number of inputs of each group's generator, the rows of W."
    )
    generator_scale: Literal["fixed", "free"] = Field(
        description="oi_vae: scale of A_g. With free, A_g grows while W shrinks, and the penalty means "
        "nothing."
    )
    beta: Weight = Field(description="oi_vae: weight of the KL divergence; 1 gives the evidence lower bound.")
    beta_warmup: Share = Field(description="Share of the steps over which beta rises from zero.")
    lambda_warmup: Share = Field(description="Share of the steps over which lambda rises from zero.")
    free_bits: Weight = Field(
        description="oi_vae: nats below which a latent's KL divergence is not lowered any further."
    )
    learning_rate: float = Field(
        ge=1e-8,
        le=1,
        description="oi_vae: step size of W, times generator_width / latent_dim and times pretrain's "
        "schedule.",
    )
    topk: Width = Field(description="topk: number of groups kept per token; at most groups.")
    rdmreg: RdmregParams

    @field_validator("lambda_")
    @classmethod
    def _is_a_fraction(cls, lambda_: float, info: ValidationInfo) -> float:
        method = info.data.get("method")
        if method in OI_VAES and lambda_ > 1:
            raise ValueError(f"must be at most 1 for {method}, where all of W is zero, got {lambda_:g}")
        return lambda_

    @field_validator("site")
    @classmethod
    def _can_predict(cls, site: str, info: ValidationInfo) -> str:
        method = info.data.get("method")
        if site == "predictor" and method not in (*OI_VAES, "none"):
            raise ValueError(f"must be tokens or pooled for {method}: only {' and '.join(OI_VAES)} predict")
        return site

    @field_validator("stop_gradient")
    @classmethod
    def _lets_the_prediction_train(cls, stop_gradient: bool, info: ValidationInfo) -> bool:
        if stop_gradient and info.data.get("site") == "predictor":
            raise ValueError("must be false where sparsity.site is predictor, or nothing trains the encoder")
        return stop_gradient

    @field_validator("latent_dim")
    @classmethod
    def _has_equal_groups(cls, latent_dim: int, info: ValidationInfo) -> int:
        groups, method = info.data.get("groups"), info.data.get("method")
        if method in ("topk", "oi_vae_blocks") and groups is not None and latent_dim % groups:
            raise ValueError(
                f"must be a multiple of sparsity.groups ({groups}) for {method}, got {latent_dim}"
            )
        return latent_dim

    @field_validator("rdmreg")
    @classmethod
    def _is_not_stopped(cls, rdmreg: RdmregParams, info: ValidationInfo) -> RdmregParams:
        stopped = info.data.get("stop_gradient") and info.data.get("method") == "rdmreg"
        if stopped and rdmreg.rectifies == "embedding":
            raise ValueError("rectifies the embedding, so that sparsity.stop_gradient must be false")
        return rdmreg

    @field_validator("topk")
    @classmethod
    def _has_so_many_groups(cls, topk: int, info: ValidationInfo) -> int:
        groups = info.data.get("groups")
        if info.data.get("method") == "topk" and groups is not None and topk > groups:
            raise ValueError(f"keeps at most all {groups} groups, got {topk}")
        return topk
