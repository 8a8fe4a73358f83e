"""Section `masking`: which patches are visible and which are predicted."""

from typing import Annotated, Literal

from pydantic import Field

from pipeline.params.base import Section
from pipeline.params.types import FEW, RatioRange, ShareRange

Patches = Annotated[int, Field(ge=1, le=2**18)]  # of images of 512 pixels, of 1 pixel each


class MaskingParams(Section):
    """Which patches are visible (the context) and which are predicted (the targets)."""

    mode: Literal["multiblock", "ijepa"] = Field(
        description="How masks are drawn. multiblock: blocks of one size per step, nothing cut. ijepa: as "
        "the official I-JEPA code draws them, its faults included."
    )
    num_targets: Patches = Field(description="Number of target blocks per image.")
    target_sizes: Annotated[tuple[tuple[Patches, Patches], ...], Field(min_length=1, max_length=FEW)] = Field(
        description="multiblock: (rows, columns) of a target block, in patches. One size is drawn per step."
    )
    num_context: Patches = Field(
        description="multiblock: number of context patches per image, drawn from what the targets leave."
    )
    target_scale: ShareRange = Field(
        description="ijepa: smallest and largest share of the grid in a target block."
    )
    target_ratio: RatioRange = Field(
        description="ijepa: smallest and largest height / width of a target block."
    )
    context_scale: ShareRange = Field(
        description="ijepa: smallest and largest share of the grid in the context block, before targets are "
        "removed."
    )
    min_keep: Patches = Field(description="ijepa: every block must keep more patches than this.")
