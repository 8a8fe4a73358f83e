"""From a source of images to a prepared set on disk, chunk by chunk and in several processes."""

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from pipeline.data.labels import Label
from pipeline.data.store import SPLITS, SplitWriter, write_meta
from pipeline.files import InputError
from pipeline.params import RuntimeParams
from pipeline.prepare import remarks
from pipeline.prepare.source import Chunk, Request, Source
from pipeline.prepare.workers import Progress, map_in_order, num_workers

FEWEST = 2  # images of a split: later stages fit and compare
NUM_NAMED = 3  # broken files that an error names


def write_set(folder: Path, request: Request, source: Source, runtime: RuntimeParams) -> dict[str, Any]:
    """Write a set as store.py describes it and return its summary, an entry of prepare.json.

    The result does not depend on `runtime`. What is left out, absent classes and duplicates are named on
    stderr. Raises InputError for more than `data.max_broken` broken files, each named on stderr, and for a
    split or a class of which nothing could be read; OSError where the disk is full.
    """
    name, image_size = request.name, request.data.image_size
    workers = num_workers(runtime.workers) if source.parallel else 1
    writers = {split: SplitWriter(folder / split, source.counts[split], image_size) for split in SPLITS}
    broken: list[str] = []
    seen = {split: remarks.Seen(source.labels) for split in SPLITS}
    for split, writer in writers.items():
        progress = Progress(f"{name} {split}", source.counts[split], runtime.log_seconds)
        results = map_in_order(source.make, source.tasks(split), workers)
        with writer, progress, results as chunks:
            for chunk in chunks:
                for line in chunk.broken:
                    progress.print_line(f"broken: {line}")
                broken.extend(chunk.broken)
                progress.update(len(chunk.images) + len(chunk.broken))
                _check_broken(broken, request.data.max_broken, progress.done)
                if len(chunk.images):
                    writer.append(chunk.images, _columns(chunk, source.labels), chunk.patch_labels)
                    seen[split].add(chunk)
        if not writer.written:
            raise InputError(f"{request.key}: none of the {len(broken)} files of {name} {split} can be read")
        if writer.written < FEWEST:
            raise InputError(
                f"{request.key}: {name} has {writer.written} {split} image, at least {FEWEST} are needed"
            )
    meta = write_meta(folder, name, image_size, source.labels, writers)
    train, test = (seen[split].digests for split in SPLITS)
    for line in (
        *remarks.left_out(source.left_out, len(broken)),
        *remarks.absent_classes(request, source, seen),
        *remarks.duplicates(folder, train, test),
    ):
        print(f"{name}: {line}", file=sys.stderr)
    return {
        **meta["counts"],
        "hash": meta["hash"],
        "broken": len(broken),
        "left_out": source.left_out,
        "duplicates": remarks.count_duplicates(train, test),
        "image_size": image_size,
        "num_labels": len(source.labels),
    }


def _columns(chunk: Chunk, labels: dict[str, Label]) -> pd.DataFrame:
    columns: dict[str, Any] = {}
    for name, label in labels.items():
        fits = len(label.classes) <= np.iinfo(np.int16).max
        dtype = np.float32 if label.kind == "real" else np.int16 if fits else np.int32
        columns[name] = chunk.labels[name].astype(dtype)
    if chunk.paths is not None:
        columns["path"] = chunk.paths
    return pd.DataFrame(columns)


def _check_broken(broken: list[str], allowed: int, num_read: int) -> None:
    if len(broken) > allowed:
        named = "; ".join(broken[:NUM_NAMED]) + ("; ..." if len(broken) > NUM_NAMED else "")
        raise InputError(
            f"data.max_broken: {len(broken)} of the first {num_read} files cannot be read, "
            f"{allowed} may be: {named}"
        )
