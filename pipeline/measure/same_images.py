"""Labels that the same images have: what reads these images alone is computed once for all of them."""

from collections.abc import Hashable, Mapping
from typing import TypeVar

import numpy as np
from jaxtyping import Bool

Key = TypeVar("Key", bound=Hashable)


def with_the_same_images(known: Mapping[Key, Bool[np.ndarray, " images"]]) -> list[list[Key]]:
    """The keys in groups of equal masks; groups and keys in the order of the first of each."""
    groups: dict[bytes, list[Key]] = {}
    for key, mask in known.items():
        groups.setdefault(mask.tobytes(), []).append(key)
    return list(groups.values())
