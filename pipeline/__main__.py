"""`python -m pipeline preset NAME`: the overrides of presets/NAME.yaml as flags of `dvc exp run`.
`python -m pipeline seeds ...`: mean and spread over seeds, settings compared on the seeds they share."""

import argparse
import importlib
import shlex
import sys
from pathlib import Path

import yaml

from pipeline.files import InputError

PRESETS = Path(__file__).parent.parent / "presets"


def preset_flags(name: str) -> str:
    """`-S a.b=c -S d.e=f`, in the order of the file. Raises InputError naming the presets there are."""
    path = PRESETS / f"{name}.yaml"
    if not path.is_file():
        known = ", ".join(sorted(file.stem for file in PRESETS.glob("*.yaml")))
        raise InputError(f"preset {name}: not found; there are {known}")
    overrides = yaml.safe_load(path.read_text())
    return " ".join(f"-S {shlex.quote(f'{key}={value}')}" for key, value in overrides.items())


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m pipeline", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    preset = commands.add_parser("preset", help="print a preset as flags of `dvc exp run`")
    preset.add_argument("name")
    seeds = commands.add_parser("seeds", help="compare settings over the seeds that they share")
    command = None
    if sys.argv[1:2] == ["seeds"]:  # imported only then: --help stays fast
        command = importlib.import_module("pipeline.reporting.seeds")
        command.add_arguments(seeds)
    arguments = parser.parse_args()
    try:
        if command is not None:
            command.main(arguments)
        else:
            print(preset_flags(arguments.name))
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(error.exit_status)


if __name__ == "__main__":
    main()
