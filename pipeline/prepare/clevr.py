"""CLEVR (Johnson et al. 2017) from a CLEVR_v1.0 folder, with the two tasks of VTAB.

    <root>/scenes/CLEVR_{train,val}_scenes.json   what is in each image
    <root>/images/{train,val}/<image_filename>    480 x 320 PNG files

count_all is the number of objects, 3 to 10: eight classes. closest_object_distance is the depth of the
object nearest the camera, the smallest pixel_coords[2], in six classes. Train is CLEVR's train (VTAB keeps a
tenth of it for choosing), test its val; its own test images have no scenes. Images are squeezed to a square,
as VTAB does: a crop would cut counted objects off.

Source: Zhai et al. 2019 (VTAB), appendix A, and data/clevr.py of its code.
"""

import json
import os
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from pipeline.data.labels import Label
from pipeline.files import InputError
from pipeline.prepare.folder import FILES_PER_TASK
from pipeline.prepare.image_file import DAMAGE, describe_damage, open_image, printable
from pipeline.prepare.source import Chunk, Request, Source
from pipeline.prepare.workers import chunks_of

FEWEST, MOST = 3, 10
DEPTHS = (8.0, 8.5, 9.0, 9.5, 10.0)  # upper edges of the first five classes, inclusive
DEPTH_LIMIT = 100.0
PARTS = {"train": "train", "test": "val"}  # our split: CLEVR's
LABELS = {
    "count_all": Label("count", tuple(str(n) for n in range(FEWEST, MOST + 1)), survives_crop=False),
    "closest_object_distance": Label(
        "categorical",
        ("to 8", *(f"{low:g} to {high:g}" for low, high in pairwise(DEPTHS)), "over 10"),
        survives_crop=False,
    ),
}

Scene = tuple[str, int, int]
"""File of the image, relative to the root, and its classes of count_all and closest_object_distance."""


def source(request: Request) -> Source:
    """The labelled images of a CLEVR_v1.0 folder.

    Raises InputError, naming request.key and the path: no such folder, a scenes file that is missing or is
    not one, a scene whose objects VTAB's classes do not cover.
    """
    root, data = request.folder, request.data
    scenes_of = {split: _read_scenes(root, part, request.key) for split, part in PARTS.items()}

    def tasks(split: str) -> Iterator[tuple[Any, ...]]:
        for scenes in chunks_of(scenes_of[split], FILES_PER_TASK):
            yield root, scenes, data.image_size, data.max_pixels

    counts = {split: len(scenes) for split, scenes in scenes_of.items()}
    return Source(LABELS, counts, decode, tasks)


def decode(root: Path, scenes: list[Scene], image_size: int, max_pixels: int) -> Chunk:
    """Read images as squares of `image_size` pixels, in order; those that cannot be read are named."""
    images, classes, paths, broken = [], [], [], []
    for path, count, distance in scenes:
        try:
            with open_image(os.path.join(root, path), max_pixels) as image:
                square = image.convert("RGB").resize((image_size, image_size), Image.Resampling.BICUBIC)
                images.append(np.asarray(square))
        except DAMAGE as error:
            broken.append(describe_damage(path, error))
        else:
            classes.append((count, distance))
            paths.append(printable(path))
    columns = np.array(classes, np.int64).reshape(-1, len(LABELS)).T
    return Chunk(
        images=np.array(images, np.uint8).reshape(-1, image_size, image_size, 3),
        labels=dict(zip(LABELS, columns, strict=True)),
        paths=paths,
        broken=tuple(broken),
    )


def depth_class(nearest: np.ndarray | float) -> np.ndarray:
    """The class of closest_object_distance of each depth: VTAB's edges, upper ones inclusive; int64."""
    return np.searchsorted(DEPTHS, nearest, side="left")


def _read_scenes(root: Path, part: str, key: str) -> list[Scene]:
    path = root / "scenes" / f"CLEVR_{part}_scenes.json"
    if path.exists() and not path.is_file():
        raise InputError(f"{key}: {path}: not a regular file")
    try:
        with path.open() as handle:
            content = json.load(handle, object_hook=_reduce)
        scenes = [
            (f"images/{part}/{scene['image_filename']}", scene["objects"]) for scene in content["scenes"]
        ]
    except OSError as error:
        raise InputError(f"{key}: {path}: {error.strerror}; a CLEVR_v1.0 folder is needed") from None
    except (ValueError, TypeError, KeyError, IndexError, RecursionError) as error:
        text = " ".join(str(error).split())
        raise InputError(f"{key}: {path}: not CLEVR's scenes ({type(error).__name__}: {text})") from None
    if not scenes:
        raise InputError(f"{key}: {path}: holds no scenes")
    if outside := next((file for file, _ in scenes if file.count("/") > 2), None):
        raise InputError(f"{key}: {path}: the image {printable(outside)} lies in another folder")
    return [_classify(file, depths, path, key) for file, depths in scenes]


def _reduce(node: dict[str, Any]) -> Any:
    """What is needed of a parsed object, innermost first; the rest would take gigabytes."""
    if "pixel_coords" in node:
        return float(node["pixel_coords"][2])
    if "objects" in node:
        return {"image_filename": node["image_filename"], "objects": np.array(node["objects"], np.float64)}
    return node


def _classify(file: str, depths: np.ndarray, path: Path, key: str) -> Scene:
    if not FEWEST <= len(depths) <= MOST:
        raise InputError(
            f"{key}: {path}: {file} has {len(depths)} objects, count_all takes {FEWEST} to {MOST}"
        )
    nearest = depths.min()
    if not 0 < nearest < DEPTH_LIMIT:
        raise InputError(f"{key}: {path}: {file} has an object at depth {nearest:g}, 0 to 100 are known")
    return file, len(depths) - FEWEST, int(depth_class(nearest))
