"""`python -m pipeline embed-images`: features of the trained encoder for every image below a folder."""

import argparse
from pathlib import Path

from pipeline.files import InputError
from pipeline.layout import ENCODER


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("folder", type=Path, help="images in any folders below it")
    parser.add_argument("--out", type=Path, required=True, metavar="FILE.parquet")
    parser.add_argument("--encoder", type=Path, default=ENCODER, metavar="DIR", help=f"default: {ENCODER}")
    parser.add_argument(
        "--skip-broken", action="store_true", help="name files that cannot be read, and leave them out"
    )


def main(arguments: argparse.Namespace) -> int:
    """Write the table. Raises InputError where --out is none, and as `write_features` does."""
    from pipeline.orchestration.commands.work.feature_table import write_features

    if arguments.out.suffix != ".parquet":
        raise InputError(f"--out: must end in .parquet, got {arguments.out}")
    write_features(arguments.folder, arguments.out, arguments.encoder, arguments.skip_broken)
    return 0
