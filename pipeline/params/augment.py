"""Section `augment`: random changes of the training images."""

from pydantic import Field

from pipeline.params.base import Section
from pipeline.params.types import RatioRange, ShareRange


class AugmentParams(Section):
    """Random changes of the training images.

    pipeline.data.augment switches off what would make a label of the set wrong.
    """

    crop_scale: ShareRange = Field(
        description="Smallest and largest share of the image's area that a random crop keeps. [1, 1] with "
        "crop_ratio [1, 1] is no crop; nor is there one where it would make a label of the set wrong."
    )
    crop_ratio: RatioRange = Field(description="Smallest and largest width / height of a crop.")
    flip: bool = Field(
        description="Whether half of the images, chosen at random, are mirrored; never where that would make "
        "a label of the set wrong."
    )
