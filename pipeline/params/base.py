"""The base class of every section of params.yaml.

How a section checks itself: what one param may be stands in its type. What depends on another param is a
`field_validator` of the later of the two, which raises ValueError with a message that follows the dotted
path. It reads the earlier param from `info.data`, which lacks it where it is itself a mistake; then there is
nothing to check. So no mistake hides another one, and none is reported twice.
"""

from pydantic import BaseModel, ConfigDict, ValidationInfo, field_validator
from pydantic.fields import FieldInfo


class Section(BaseModel):
    """A part of params.yaml: frozen, and closed to keys it does not know."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    @field_validator("*", mode="before")
    @classmethod
    def _refuse_bool_for_number(cls, value: object, info: ValidationInfo) -> object:
        """Pydantic would read `steps: true` as 1."""
        if isinstance(value, bool) and cls.model_fields[str(info.field_name)].annotation is not bool:
            raise ValueError("must not be true or false")
        return value

    @classmethod
    def fields_by_key(cls) -> dict[str, FieldInfo]:
        """The keys as params.yaml spells them, in its order, each with its field."""
        return {field.alias or name: field for name, field in cls.model_fields.items()}


def inner_section(field: FieldInfo) -> type[Section] | None:
    """The class of a key that holds a section; None for a key that holds a value."""
    kind = field.annotation
    return kind if isinstance(kind, type) and issubclass(kind, Section) else None
