"""What all contracts share: typed records that keep their keys in order, and files read and written whole.

A metrics file is read and written as one model. A value of another type is refused on either side, so what a
stage writes is what the report can read. So is a key that its model does not know, but for numbers under new
names where a model takes them: a new metric needs no line in its contract.
"""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    ModelWrapValidatorHandler,
    SerializerFunctionWrapHandler,
    ValidationError,
    model_serializer,
    model_validator,
)
from pydantic_core import PydanticCustomError

from pipeline import digests
from pipeline.files import InputError, finite, one_line, read_json, write_json
from pipeline.layout import METRICS, PLOTS

if TYPE_CHECKING:
    import pandas as pd

NAMES = ("set", "label", "factor", "view", "code", "true", "predicted")  # columns of every table
REASONS = {"missing": "is missing", "extra_forbidden": "is no key of this file"}


def _to_number(value: Any) -> float | None:
    if isinstance(value, bool) or not (value is None or isinstance(value, int | float)):
        raise PydanticCustomError("number", "Input should be a number or null")
    return value if value is not None and math.isfinite(value) else None


# A measured number as JSON holds it: whole numbers stay whole; NaN and infinity are null, which is None here.
Number = Annotated[int | float | None, BeforeValidator(_to_number)]


class Record(BaseModel):
    """An object of a metrics file: closed, frozen, with its keys in the order in which they were given.

    An optional key that was not given is not written. A class with extra="allow" takes further keys of any
    name; the annotation of __pydantic_extra__ is the type of their values.
    """

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid")
    _order: tuple[str, ...] = ()

    @model_validator(mode="wrap")
    @classmethod
    def _remember_order(cls, content: Any, build: ModelWrapValidatorHandler["Record"]) -> "Record":
        record = build(content)
        if isinstance(content, Mapping):
            record._order = tuple(content)
        return record

    @model_serializer(mode="wrap")
    def _in_order(self, serialise: SerializerFunctionWrapHandler) -> dict[str, Any]:
        content: dict[str, Any] = serialise(self)
        known = [key for key in self._order if key in content]
        return {key: content[key] for key in dict.fromkeys([*known, *content])}

    @property
    def further(self) -> dict[str, Any]:
        """What stands under keys that are names: of sets, of codes, of further numbers."""
        return self.__pydantic_extra__ or {}

    def content(self) -> dict[str, Any]:
        """The record as JSON holds it: the keys that were given, in their order."""
        return self.model_dump(by_alias=True, exclude_unset=True)


File = TypeVar("File", bound=Record)


def read_record(path: Path, model: type[File], stage: str) -> File:
    """The content of a metrics file.

    Raises InputError in one line with the file, the dotted key and the command that writes the file anew,
    where it is missing, broken or of another shape.
    """
    anew = f"write it anew with `dvc repro -f -s {stage}`"
    if not path.exists():
        raise InputError(f"{path}: not found; {anew}")
    try:
        content = read_json(path)
        plain = digests.unsealed(content) if isinstance(content, dict) else content
        record = model.model_validate(plain)
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"])
        reason = REASONS.get(first["type"]) or one_line(first["msg"])
        raise InputError(f"{path}: {key + ': ' if key else ''}{reason}; {anew}") from None
    except InputError as error:
        raise InputError(f"{error}; {anew}") from None
    if not digests.is_sealed(content):
        raise InputError(f"{path}: damaged: not what stage {stage} wrote; {anew}")
    return record


def write_record(path: Path, content: Record | None, tables: Sequence[str] = ()) -> None:
    """Write a metrics file whole, with its digest and those of its stage's tables, if they are there."""
    files = [_table_of(path, name) for name in tables]
    plain = {} if content is None else finite(content.content())
    write_json(path, digests.sealed(plain, [file for file in files if file.exists()]))


def _table_of(metrics: Path, name: str) -> Path:
    return metrics.parents[1] / PLOTS.name / f"{name}.csv"


def read_table(path: Path, columns: Sequence[str], stage: str) -> "pd.DataFrame":
    """A CSV file; names stay text, even where one reads as a number or as nothing: 007, NA.

    Raises InputError where it is absent, no table, lacks one of the `columns`, or is not what its stage
    wrote.
    """
    import pandas as pd  # here, as it takes long and sweeps read no table

    anew = f"write it anew with `dvc repro -f -s {stage}`"
    try:
        numbers = [column for column in pd.read_csv(path, nrows=0) if column not in NAMES]
        table = pd.read_csv(
            path,
            dtype=dict.fromkeys(NAMES, str),
            keep_default_na=False,
            na_values={column: ["", "nan"] for column in numbers},
        )
    except FileNotFoundError:
        raise InputError(f"{path}: not found; {anew}") from None
    except (pd.errors.EmptyDataError, pd.errors.ParserError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: not a table ({one_line(error)}); {anew}") from None
    missing = [column for column in columns if column not in table]
    if missing:
        raise InputError(f"{path}: has no column `{missing[0]}`; {anew}")
    known = read_json(path.parents[1] / METRICS.name / f"{stage}.json").get(digests.TABLES, {})
    if known.get(path.name) != digests.sha256(path):
        raise InputError(f"{path}: damaged: not what stage {stage} wrote; {anew}")
    return table


def check_same_sets(summary: Mapping[str, Any], sets: Mapping[str, Any]) -> None:
    """Raises a validation error where a summary is of other sets than the file holds."""
    if not sets or summary.keys() != sets.keys():
        raise PydanticCustomError("sets", "summary: must be of the sets that the file holds, one at least")
