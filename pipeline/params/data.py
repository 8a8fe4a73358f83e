"""Section `data`: the images."""

from pathlib import Path
from typing import Annotated

from pydantic import Field, ValidationInfo, field_validator

from pipeline.params.base import Section
from pipeline.params.registry import DATA_SETS, VARIANTS, origin
from pipeline.params.types import MOST_IMAGES, Images, OneOf, PartShare, Positive, Seed


class ScenesParams(Section):
    """Generated scenes."""

    variant: Annotated[str, OneOf(VARIANTS)] = Field(
        description="What is drawn. textured: a few large striped objects on a striped background. factors: "
        "small objects, all alike. mixed: small objects, each with its own shape and colour. single: one "
        "object, whose position and rotation are labels. clevr_like: 3 to 10 solids in perspective, with the "
        "labels that VTAB gives to CLEVR."
    )
    num_train: Images = Field(description="Number of images to train on.")
    num_test: Images = Field(description="Number of images to test on.")


class DataParams(Section):
    """The images."""

    name: Annotated[str, OneOf(DATA_SETS)] = Field(description="The set to pretrain on.")
    root: Path | None = Field(
        description="Folder that holds the set's files. folder, clevr, huggingface and webdataset need one. "
        "cifar10 and cifar100 are downloaded where it is null; else it holds their archive or class folders. "
        "scenes are generated and take none. ~ is the home folder."
    )
    image_size: int = Field(
        ge=8,
        le=512,
        multiple_of=4,  # whole cells: pipeline.data.store.CELL
        description="Side of the stored square images, in pixels. Images of other sizes are resized.",
    )
    seed: Seed = Field(
        description="Seed of the generated scenes, and of the split of a folder that has no train/ and test/."
    )
    test_fraction: PartShare = Field(
        description="Share of each class that is tested on, for a folder without train/ and test/."
    )
    class_folders: bool = Field(
        description="Whether the folders inside a folder of images are its classes. Where false the images "
        "have no label: pretraining needs none, and probes are left out."
    )
    max_broken: int = Field(
        ge=0,
        le=MOST_IMAGES,
        description="Number of unreadable files that are left out of a set; one more is an error.",
    )
    max_pixels: Positive = Field(
        description="Number of pixels (width times height) up to which an image is read. A larger one counts "
        "as unreadable, as a small file may unpack to more than the memory holds. The default is the most "
        "that Pillow reads."
    )
    scenes: ScenesParams

    @field_validator("root")
    @classmethod
    def _fits_the_set(cls, root: Path | None, info: ValidationInfo) -> Path | None:
        name = info.data.get("name")
        root = root and root.expanduser()
        if name is not None and root is None and origin(name) == "folder":
            raise ValueError(f"must name a folder of images where data.name is {name}")
        if name is not None and root is not None and origin(name) == "generated":
            raise ValueError(
                f"{name} are generated, they have no files; set data.name too, or leave out {root}"
            )
        return root
