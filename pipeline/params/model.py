"""Section `model`: encoder and predictor."""

from typing import Annotated, Literal

from pydantic import Field, ValidationInfo, field_validator

from pipeline.params.base import Section
from pipeline.params.types import TimmName, Width

Blocks = Annotated[int, Field(ge=1, le=10**4)]


def _check_heads(num_heads: int, info: ValidationInfo, section: str) -> int:
    embed_dim = info.data.get("embed_dim")
    if embed_dim is not None and embed_dim % num_heads:
        raise ValueError(f"must divide {section}.embed_dim ({embed_dim}), got {num_heads}")
    return num_heads


class PredictorParams(Section):
    """The network that predicts hidden patches from visible ones."""

    name: Literal["transformer", "mlp", "linear"] = Field(
        description="Its kind. transformer: blocks of attention, as in I-JEPA. mlp, linear: a function of "
        "the mean of the visible patches and of the hidden patch's position; depth, num_heads and joint "
        "mean nothing there."
    )
    embed_dim: int = Field(
        ge=1,
        le=2**16,
        multiple_of=4,  # sine-cosine positions in two dimensions
        description="Width of the predictor.",
    )
    depth: Blocks = Field(description="Number of blocks.")
    num_heads: Width = Field(description="Number of attention heads; must divide the predictor's embed_dim.")
    joint: bool = Field(
        description="Whether all target blocks of an image are predicted in one pass. If false, each block "
        "has a pass of its own, as in I-JEPA."
    )

    @field_validator("num_heads")
    @classmethod
    def _divides_embed_dim(cls, num_heads: int, info: ValidationInfo) -> int:
        return _check_heads(num_heads, info, "model.predictor")


class ModelParams(Section):
    """Encoder and predictor."""

    name: TimmName | None = Field(
        description="A Vision Transformer of timm, whose embed_dim, depth, num_heads and mlp_ratio are used. "
        "null: those below."
    )
    patch_size: int = Field(
        ge=1, le=512, description="Side of a patch, in pixels; must divide data.image_size."
    )
    embed_dim: int = Field(
        ge=1,
        le=2**16,
        multiple_of=4,  # sine-cosine positions in two dimensions
        description="Width of the encoder.",
    )
    depth: Blocks = Field(description="Number of blocks of the encoder.")
    iterations: Blocks = Field(
        description="Times that the blocks run in turn, with the same weights: depth 1 and 4 iterations are "
        "one block four times."
    )
    num_heads: Width = Field(description="Number of attention heads of the encoder; must divide embed_dim.")
    mlp_ratio: float = Field(
        ge=0.01, le=100, description="Hidden width of a block's MLP, as a multiple of embed_dim."
    )
    predictor: PredictorParams

    @field_validator("num_heads")
    @classmethod
    def _divides_embed_dim(cls, num_heads: int, info: ValidationInfo) -> int:
        return _check_heads(num_heads, info, "model")
