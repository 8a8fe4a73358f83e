"""reports/metrics/prepare.json: the sets that were made."""

from pathlib import Path

from pydantic import ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

from pipeline.contracts.record import Record, read_record, write_record

STAGE = "prepare"


class Duplicates(Record):
    """Images whose stored pixels are those of another image."""

    train: int = Field(description="training images that repeat an earlier one")
    test: int = Field(description="test images that repeat an earlier one")
    test_in_train: int = Field(description="test images that are training images too")


class PreparedSet(Record):
    """One set."""

    train: int = Field(description="images to train on")
    test: int = Field(description="images to score on")
    hash: str = Field(description="of all images and labels, SHA-256 in hexadecimal")
    broken: int = Field(description="files that could not be read and are in no split")
    left_out: dict[str, int] | None = Field(
        None, description="what was found beside them and is in no split: reason -> number"
    )
    duplicates: Duplicates | None = Field(None, description="images that are there more than once")
    image_size: int = Field(description="side of an image, pixels")
    num_labels: int = Field(description="labels of an image")


class Prepare(Record):
    """Every set by its name."""

    model_config = ConfigDict(extra="allow")
    __pydantic_extra__: dict[str, PreparedSet] = Field(init=False)  # pyright: ignore

    @model_validator(mode="after")
    def _has_a_set(self) -> "Prepare":
        if not self.further:
            raise PydanticCustomError("empty", "holds no set")
        return self

    @property
    def sets(self) -> dict[str, PreparedSet]:
        """The sets by name."""
        return self.further


def read(path: Path) -> Prepare:
    """Raises InputError where the file is missing, broken or of another shape."""
    return read_record(path, Prepare, STAGE)


def write(path: Path, content: Prepare) -> None:
    """Write the file whole."""
    write_record(path, content)
