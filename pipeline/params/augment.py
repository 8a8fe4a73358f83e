"""Section `augment`: random changes of the training images."""

from pydantic import Field

from pipeline.params.base import Section
from pipeline.params.types import RatioRange, Share, ShareRange


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
    color_jitter: Share = Field(
        description="Strength of colour jitter, on 80 % of the images: brightness, contrast and saturation "
        "change by up to 0.8 times it, the hue by up to 0.2 turns times it. SimCLR's is 1, or 0.5 on small "
        "images; 0: none. No label of a set switches this or the next three off."
    )
    grayscale: Share = Field(description="Share of the images that become grey; SimCLR's is 0.2.")
    blur: Share = Field(
        description="Share of the images that are blurred, by 0.1 to 2 pixels; SimCLR's is 0.5."
    )
    solarize: Share = Field(
        description="Share of the images whose values from a half on are inverted; BYOL's is 0.2 in one view."
    )
