"""The types that params share, each with its check and with the words that docs/params.md shows."""

import difflib
import re
from collections.abc import Iterable
from typing import Annotated, Any

from pydantic import AfterValidator, Field, GetCoreSchemaHandler
from pydantic_core import CoreSchema, core_schema


class OneOf:
    """Annotates a `str` that must be one of `names`: a Literal whose names come from a table."""

    def __init__(self, names: Iterable[str]) -> None:
        self.names = tuple(names)
        self.words = ", ".join(f"`{name}`" for name in self.names)

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.literal_schema(list(self.names))


class Form:
    """Annotates a `str` that must match `pattern` as a whole. words: the pattern for people."""

    def __init__(self, pattern: str, words: str) -> None:
        self.pattern, self.words = re.compile(pattern), words

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_after_validator_function(self._check, handler(source))

    def _check(self, text: str) -> str:
        if not self.pattern.fullmatch(text):
            raise ValueError(f"must be {self.words}, got {text!r}")
        return text


class ZeroOr:
    """Annotates a number that must be 0 or lie from smallest to largest."""

    def __init__(self, smallest: float, largest: float) -> None:
        self.smallest, self.largest = smallest, largest
        self.words = f"0, or {smallest} to {largest}"

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_after_validator_function(self._check, handler(source))

    def _check(self, number: float) -> float:
        if number != 0 and not self.smallest <= number <= self.largest:
            raise ValueError(f"must be {self.words}, got {number}")
        return number


class Rising:
    """Annotates two numbers that must satisfy smallest <= first <= second <= largest."""

    def __init__(self, smallest: float, largest: float) -> None:
        self.smallest, self.largest = smallest, largest
        self.words = f"{smallest} <= first <= second <= {largest}"

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_after_validator_function(self._check, handler(source))

    def _check(self, limits: tuple[float, float]) -> tuple[float, float]:
        first, second = limits
        if not self.smallest <= first <= second <= self.largest:
            raise ValueError(f"must be two numbers, {self.words}, got {list(limits)}")
        return limits


def _check_timm_name(name: str) -> str:
    """timm's own names alone, with the tag of weights or without: what it takes for the name of a hub or of a
    folder would be looked for elsewhere."""
    from timm import list_models, list_pretrained  # here: it takes seconds

    if name not in {*list_models(), *list_pretrained()}:
        close = " or ".join(difflib.get_close_matches(name, list_models(), n=2))
        hint = f"did you mean {close}?" if close else "timm.list_models() lists all"
        raise ValueError(f"timm has no model {name!r}; {hint}")
    return name


TimmName = Annotated[str, AfterValidator(_check_timm_name)]

# Every number has a bound: from sense where there is one, else from what no machine can hold or finish.
MOST_IMAGES = 10**8
Seed = Annotated[int, Field(ge=0, lt=2**31)]
Positive = Annotated[int, Field(ge=1, le=10**9)]
Images = Annotated[int, Field(ge=1, le=MOST_IMAGES)]
Width = Annotated[int, Field(ge=1, le=2**16)]
Share = Annotated[float, Field(ge=0, le=1)]
PartShare = Annotated[float, Field(ge=1e-6, lt=1)]
Weight = Annotated[float, Field(ge=0, le=10**6)]
LearningRate = Annotated[float, Field(ge=1e-8, le=10)]
WeightDecay = Annotated[float, Field(ge=0, le=100)]
Epochs = Annotated[int, Field(ge=0, le=10**6)]
Penalty = Annotated[float, Field(ge=1e-12, le=10**12)]
ShareRange = Annotated[tuple[float, float], Rising(0.001, 1)]
RatioRange = Annotated[tuple[float, float], Rising(0.1, 10)]
FEW = 100  # entries of a list that are each worked on
LearningRates = Annotated[tuple[LearningRate, ...], Field(min_length=1, max_length=FEW)]
