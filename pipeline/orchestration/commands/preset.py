"""`python -m pipeline preset NAME`: the overrides of presets/NAME.yaml as flags of `dvc exp run`."""

import argparse
import json
from pathlib import Path
from typing import Any

import yaml

from pipeline.files import InputError

PRESETS = Path(__file__).parents[3] / "presets"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", help=", ".join(names()))


def main(arguments: argparse.Namespace) -> int:
    print(preset_flags(arguments.name))
    return 0


def names() -> list[str]:
    return sorted(file.stem for file in PRESETS.glob("*.yaml"))


def overrides(name: str) -> dict[str, Any]:
    """Dotted path -> value, in the order of the file. Raises InputError naming the presets there are."""
    path = PRESETS / f"{name}.yaml"
    if not path.is_file():
        raise InputError(f"preset {name}: not found; there are {', '.join(names())}")
    return yaml.safe_load(path.read_text()) or {}


def preset_flags(name: str) -> str:
    """`-S a.b=c -S d.e=f`, without spaces or quotes in the values, so that `$(...)` can take them apart."""
    return " ".join(f"-S {key}={_compact(value)}" for key, value in overrides(name).items())


def _compact(value: Any) -> str:
    """YAML that DVC reads back as the same value."""
    return value if isinstance(value, str) else json.dumps(value, separators=(",", ":"))
