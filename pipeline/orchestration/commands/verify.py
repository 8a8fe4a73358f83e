"""`python -m pipeline verify`: whether outputs, DVC's cache and states of training are whole."""

import argparse
import hashlib
import subprocess
from collections.abc import Iterator
from pathlib import Path

from tqdm import tqdm

from pipeline import digests
from pipeline.files import InputError, read_json
from pipeline.graph import outputs, parse_graph
from pipeline.layout import CONFIG, META, PLOTS, metrics_file
from pipeline.orchestration.processes.guarded import DVC

STATE = ".pt"  # a state of training; beside it lies a .json of the same name with its digest
IN_SEALED = (digests.FILE, META, CONFIG)  # one that is there tells that all of them should be
UNSEALED = metrics_file("summary")  # the report draws it from the others


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--repair", action="store_true", help="remove what is damaged: `dvc repro` makes it anew"
    )


def main(arguments: argparse.Namespace) -> int:
    """Name every damaged file. The exit status is 1 where there is one, and 0 once --repair removed them."""
    root = Path.cwd()
    parts = {"workspace": outputs_of(root), "cache": cache_objects(root), "runs": states(root)}
    damaged: list[Path] = []
    for part, files in parts.items():
        found = dict(tqdm(files, desc=part, unit=" files", leave=False, disable=None))
        broken = [path for path, whole in found.items() if not whole]
        print(f"{part}: {len(found)} files, {len(broken) or 'none'} damaged")
        for path in broken:
            print(f"  damaged: {path.relative_to(root) if path.is_relative_to(root) else path}")
        damaged += broken
    if not damaged:
        return 0
    if not arguments.repair:
        print("`python -m pipeline verify --repair` removes them; then `dvc repro` writes them anew")
        return 1
    for path in damaged:
        path.unlink(missing_ok=True)
        if path.suffix == STATE:
            path.with_suffix(".json").unlink()
    print(f"{len(damaged)} damaged files removed; `dvc repro` writes anew what is missing")
    return 0


def outputs_of(root: Path) -> Iterator[tuple[Path, bool]]:
    """The files that stages wrote, each with whether it is what its digest says."""
    stages = parse_graph((root / "dvc.yaml").read_text())
    for out in (root / path for entry in stages.values() for path in outputs(entry)):
        for folder in sorted({path.parent for name in IN_SEALED for path in out.rglob(name)}):
            yield from digests.checked(folder)
        if out.suffix == ".json" and out.is_file() and out != root / UNSEALED:
            yield from _metrics(out)


def _metrics(path: Path) -> Iterator[tuple[Path, bool]]:
    """A metrics file and the tables of its stage."""
    try:
        content = read_json(path)
        yield path, digests.is_sealed(content)
        tables = content.get(digests.TABLES, {})
    except (InputError, AttributeError):
        yield path, False
        return
    for name, digest in tables.items():
        table = path.parents[1] / PLOTS.name / name
        yield table, table.is_file() and digests.sha256(table) == digest


def cache_objects(root: Path) -> Iterator[tuple[Path, bool]]:
    """The objects of DVC's cache, each with whether its content has the MD5 that is its name.

    DVC itself trusts those that are read-only, as all are.
    """
    found = subprocess.run([*DVC, "cache", "dir"], cwd=root, capture_output=True, text=True)
    if found.returncode:
        raise InputError(f"{root}: no DVC project: {found.stderr.strip().splitlines()[-1]}")
    for path in sorted((root / found.stdout.strip() / "files/md5").glob("??/*")):
        if path.is_file():
            with path.open("rb") as handle:
                actual = hashlib.file_digest(handle, "md5").hexdigest()
            yield path, actual == path.parent.name + path.name.removesuffix(".dir")


def states(root: Path) -> Iterator[tuple[Path, bool]]:
    """The states of training, each with whether it is what its digest says."""
    from pipeline.pretrain.checkpoint import runs_folder  # here: with it comes torch

    for meta in sorted(runs_folder(root).glob("*/step-*.json")):
        state = meta.with_suffix(STATE)
        try:
            yield state, digests.sha256(state) == read_json(meta)["sha256"]
        except (InputError, OSError, KeyError, TypeError):
            yield state, False
