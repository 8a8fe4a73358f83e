"""A table of the features of the trained encoder for every image below a folder."""

import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch

from pipeline.digests import FILE, check
from pipeline.embed.embedding import load_module
from pipeline.embed.encoder_views import ImageViews
from pipeline.files import InputError, atomic_file, read_json
from pipeline.jepa.pretrained import load_encoder
from pipeline.layout import CONFIG
from pipeline.measure.embeddings import TRAINED, encoder_normalise
from pipeline.params import Params, load
from pipeline.prepare.folder import FILES_PER_TASK, decode, scan
from pipeline.prepare.workers import Progress, chunks_of, map_in_order, num_workers
from pipeline.runtime import resolve


def write_features(folder: Path, out: Path, encoder: Path, skip_broken: bool) -> None:
    """Write the table `out` whole or not at all: a row per image of `folder`, in order of path.

    Its columns are `path`, `encoder`, and `latent` and `groups` where the sparse module has them (lists of
    float32).

    Raises InputError where there are no images or no encoder, and where an image cannot be read.
    """
    root = folder.expanduser()
    tree = scan(root, "FOLDER")
    paths = [
        f"{folder}/{name}" if folder else name for folder, names in tree.images.items() for name in names
    ]
    if not paths:
        raise InputError(f"FOLDER: {root} has no images")
    params = load(Path.cwd() / "params.yaml")
    tables = feature_tables(root, paths, encoder.expanduser(), params, skip_broken)
    rows = 0
    with atomic_file(out.expanduser()) as temporary:
        first = next(tables)
        with pq.ParquetWriter(temporary, first.schema) as writer:
            for table in (first, *tables):
                writer.write_table(table)
                rows += table.num_rows
        if not rows:
            raise InputError(f"FOLDER: none of the {len(paths)} images of {root} can be read")
    columns = ", ".join(name for name in first.column_names if name != "path")
    print(f"{out}: {rows:,} images; columns path, {columns}")


def feature_tables(
    root: Path, paths: list[str], encoder: Path, params: Params, skip_broken: bool
) -> Iterator[pa.Table]:
    """The table in parts, each of the images of one task. Images are read and normalised as in training.

    Raises InputError as `write_features` does.
    """
    runtime = resolve(params.runtime)
    if (encoder / FILE).exists():  # not in every folder from a model hub
        check(encoder)
    config = read_json(encoder / CONFIG)
    method, site = load_module(encoder, config, runtime)
    network = ImageViews(load_encoder(encoder, TRAINED, runtime.device), method, site)
    to_input, size = encoder_normalise(encoder), config["pretrained_cfg"]["input_size"][-1]
    max_pixels = params.data.max_pixels
    tasks = (
        (root, [(path, 0) for path in part], size, max_pixels) for part in chunks_of(paths, FILES_PER_TASK)
    )
    workers = num_workers(params.runtime.workers)
    progress = Progress(str(root), len(paths), params.runtime.log_seconds)
    with progress, map_in_order(decode, tasks, workers) as chunks:
        for chunk in chunks:
            for line in chunk.broken:
                if not skip_broken:
                    raise InputError(
                        f"FOLDER: {root}: cannot read {line}; --skip-broken leaves such files out"
                    )
                print(f"broken: {line}", file=sys.stderr)
            progress.update(len(chunk.images) + len(chunk.broken))
            features = [np.empty((0, sum(network.widths)), np.float32)]
            for pixels in torch.from_numpy(chunk.images).split(params.embed.batch_size):
                with torch.inference_mode(), runtime.autocast():
                    features.append(network(to_input(pixels.to(runtime.device))).float().cpu().numpy())
            views = np.split(np.concatenate(features), np.cumsum(network.widths)[:-1], axis=1)
            yield pa.table(
                {"path": pa.array(chunk.paths, pa.string())}
                | {
                    name: pa.FixedSizeListArray.from_arrays(pa.array(view.ravel()), view.shape[1])
                    for name, view in zip(network.names, views, strict=True)
                }
            )
