"""Section `embed`: what is embedded with the frozen encoder."""

from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, Field, ValidationInfo, field_validator

from pipeline.params.base import Section
from pipeline.params.registry import DATA_SETS, origin, sets_without_path
from pipeline.params.types import MOST_IMAGES, Form, Images, LearningRate, Positive, TimmName, Width, ZeroOr


def split_entry(entry: str) -> tuple[str, str]:
    """Name and path of an entry of embed.sets; the path is empty where the entry is a name alone."""
    name, _, path = entry.partition(":")
    return name, path


def _check_entry(entry: str) -> str:
    """What can be said of an entry alone; pipeline.params.across compares entries with data.name."""
    name, path = split_entry(entry)
    if name == "summary":
        raise ValueError("summary is a key of probe.json; choose another name")
    if origin(name) == "generated" and path:
        raise ValueError(f"{name} are generated, leave out {path}")
    if name not in DATA_SETS and not path:
        known = ", ".join(sets_without_path())
        raise ValueError(f"{name} is none of {known}; a folder of images is {name}:PATH")
    return entry


SetEntry = Annotated[
    str, Form(r"[A-Za-z0-9][A-Za-z0-9_-]*(:.+)?", "a name or name:PATH"), AfterValidator(_check_entry)
]


class ReferenceParams(Section):
    """A timm model that is embedded and probed beside ours."""

    name: TimmName | None = Field(description="A timm architecture; null: none.")
    weights: Path | None = Field(
        description="Local file of its weights (.safetensors, .pth or .bin); null exactly where name is null."
    )

    @field_validator("weights")
    @classmethod
    def _go_with_a_name(cls, weights: Path | None, info: ValidationInfo) -> Path | None:
        if "name" in info.data and (info.data["name"] is None) != (weights is None):
            given = f"{info.data['name']} and {weights}"
            raise ValueError(f"embed.reference needs both name and weights, or neither, got {given}")
        return weights


class SparseAutoencoderParams(Section):
    """The sparse code that is fitted to frozen features, of the encoder and of its dense twin."""

    units: Width = Field(description="Number of units of its code.")
    active: Width = Field(description="Number of units that an image may use; at most units.")
    steps: Positive = Field(description="Number of steps of Adam.")
    batch_size: Images = Field(description="Images per step.")
    learning_rate: LearningRate = Field(description="Learning rate of Adam.")

    @field_validator("active")
    @classmethod
    def _among_units(cls, active: int, info: ValidationInfo) -> int:
        units = info.data.get("units")
        if units is not None and active > units:
            raise ValueError(f"must be at most embed.sae.units ({units}), got {active}")
        return active


class EmbedParams(Section):
    """What is embedded with the frozen encoder."""

    sets: tuple[SetEntry, ...] = Field(
        description="Sets to embed and probe besides data.name: scenes, cifar10, cifar100 (or cifar10:PATH, "
        "an existing copy), clevr:PATH, huggingface:PATH, webdataset:PATH, and any other "
        "name:PATH for a folder of images."
    )
    batch_size: Images = Field(description="Images per forward pass.")
    last_blocks: int = Field(
        ge=0,
        le=10**4,
        description="Number of last blocks whose means form the view last_blocks (all where there are "
        "fewer); 0: no such view.",
    )
    token_images: Annotated[int, ZeroOr(20, MOST_IMAGES)] = Field(
        description="Number of images of each split whose patches are probed, where a set has labels for "
        "patches; 0: none.",
    )
    corrupted_images: int = Field(
        ge=0,
        le=MOST_IMAGES,
        description="Number of test images that are embedded under noise, blur, other light and compression "
        "too, for the probes to be scored on; 0: none.",
    )
    sae: SparseAutoencoderParams
    reference: ReferenceParams

    @field_validator("sets")
    @classmethod
    def _name_a_path_once(cls, sets: tuple[str, ...]) -> tuple[str, ...]:
        paths: dict[str, str] = {}
        for name, path in map(split_entry, sets):
            if paths.setdefault(name, path) != path:
                raise ValueError(f"{name} is named with two paths")
        return sets
