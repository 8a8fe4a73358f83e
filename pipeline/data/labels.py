"""What a label is: its kind, its classes, its unit, and which augmentations leave it true."""

from dataclasses import asdict, dataclass
from typing import Any, Literal

Kind = Literal["categorical", "count", "real"]


@dataclass(frozen=True)
class Label:
    """One label of a set.

    kind: `categorical` and `count` are stored as integers 0..len(classes)-1, `real` as float32.
    classes: the name of each integer; for `count` the number itself as text ("1", "2", ...), so that
        the stored integer is an index and int(classes[i]) the quantity. Empty for `real`.
    unit: of a `real` label ("pixels", "radians", "fraction").
    survives_flip, survives_crop: whether a mirrored or a cropped image still has this label. Augmentation
        is switched off for a set in which some label says False.

    An image without the label (the distance between objects where there is one object) holds -1, or NaN
    where the kind is `real`.
    """

    kind: Kind
    classes: tuple[str, ...] = ()
    unit: str = ""
    survives_flip: bool = True
    survives_crop: bool = True

    def to_json(self) -> dict[str, Any]:
        return asdict(self) | {"classes": list(self.classes)}

    @classmethod
    def from_json(cls, fields: dict[str, Any]) -> "Label":
        known: dict[str, Any] = {**fields, "classes": tuple(fields["classes"])}
        return cls(**known)
