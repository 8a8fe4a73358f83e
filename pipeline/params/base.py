"""The base class of every section of params.yaml.

How a section checks itself: what one param may be stands in its type. What depends on another param is a
`field_validator` of the later of the two, which raises ValueError with a message that follows the dotted
path. It reads the earlier param from `info.data`, which lacks it where it is itself a mistake; then there is
nothing to check. So no mistake hides another one, and none is reported twice.
"""

from collections.abc import Iterator

from pydantic import BaseModel, ConfigDict, ValidationInfo, field_validator
from pydantic.fields import FieldInfo

LONGEST_TEXT = 1024  # characters: a path of most systems


class Section(BaseModel):
    """A part of params.yaml: frozen, and closed to keys it does not know."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    @field_validator("*", mode="before")
    @classmethod
    def _refuse_what_would_be_read_as_something_else(cls, value: object, info: ValidationInfo) -> object:
        """Pydantic would read `steps: true` as 1, in a list too, and `root: ""` as the current folder."""
        for item in _items(value):
            if isinstance(item, bool) and cls.model_fields[str(info.field_name)].annotation is not bool:
                raise ValueError("must not be true or false")
            if isinstance(item, str) and not item.strip():
                raise ValueError("must not be empty text")
            if isinstance(item, str) and len(item) > LONGEST_TEXT:
                raise ValueError(f"text of {len(item)} characters, at most {LONGEST_TEXT} fit")
        return value

    @classmethod
    def fields_by_key(cls) -> dict[str, FieldInfo]:
        """The keys as params.yaml spells them, in its order, each with its field."""
        return {field.alias or name: field for name, field in cls.model_fields.items()}


def _items(value: object) -> Iterator[object]:
    """A value, or those that its lists hold."""
    if isinstance(value, list | tuple):
        for item in value:
            yield from _items(item)
    else:
        yield value


def inner_section(field: FieldInfo) -> type[Section] | None:
    """The class of a key that holds a section; None for a key that holds a value."""
    kind = field.annotation
    return kind if isinstance(kind, type) and issubclass(kind, Section) else None
