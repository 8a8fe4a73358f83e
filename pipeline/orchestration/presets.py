"""presets/NAME.yaml: overrides of params.yaml under a name."""

import json
from pathlib import Path
from typing import Any

from pipeline.files import InputError
from pipeline.params import parse

PRESETS = Path(__file__).parents[2] / "presets"


def names() -> list[str]:
    return sorted(file.stem for file in PRESETS.glob("*.yaml"))


def overrides(name: str) -> dict[str, Any]:
    """Dotted path -> value, in the order of the file. Raises InputError naming the presets there are."""
    path = PRESETS / f"{name}.yaml"
    if not path.is_file():
        raise InputError(f"preset {name}: not found; there are {', '.join(names())}")
    return parse(path.read_text(), path.name) or {}


def flags(name: str) -> str:
    """`-S a.b=c -S d.e=f`, without spaces or quotes in the values, so that `$(...)` can take them apart."""
    return " ".join(f"-S {key}={_compact(value)}" for key, value in overrides(name).items())


def _compact(value: Any) -> str:
    """YAML that DVC reads back as the same value."""
    return value if isinstance(value, str) else json.dumps(value, separators=(",", ":"))
