"""The types that params share, each with its check and with the words that docs/params.md shows."""

import re
from collections.abc import Iterable
from typing import Annotated, Any

from pydantic import Field, GetCoreSchemaHandler
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


class Rising:
    """Annotates two numbers that must satisfy 0 < first <= second <= largest."""

    def __init__(self, largest: float) -> None:
        self.largest = largest
        self.words = f"0 < first <= second <= {largest}"

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_after_validator_function(self._check, handler(source))

    def _check(self, limits: tuple[float, float]) -> tuple[float, float]:
        first, second = limits
        if not 0 < first <= second <= self.largest:
            raise ValueError(f"must be two numbers, {self.words}, got {list(limits)}")
        return limits


Seed = Annotated[int, Field(ge=0, lt=2**31)]
Positive = Annotated[int, Field(ge=1)]
Share = Annotated[float, Field(ge=0, le=1)]
ShareRange = Annotated[tuple[float, float], Rising(1)]
RatioRange = Annotated[tuple[float, float], Rising(10)]
LearningRates = Annotated[tuple[Annotated[float, Field(gt=0)], ...], Field(min_length=1)]
