"""Embeddings on disk: what `embed` writes and `probe` and `interpret` read.

    <embeddings>/digests.json                   of the other files: pipeline.digests
    <embeddings>/meta.json                      what they were made of: EmbeddingsMeta
    <embeddings>/<set>/{train,test}.npz         the views of every image, and `ids`: the row of each image
    <embeddings>/<set>/tokens_{train,test}.npz  the views of every patch of some images, and `rows`: which
                                                images; where the set has labels of patches
    <embeddings>/<set>/corrupted_<name>.npz     the encoders' views of some test images under a corruption,
                                                and `rows`

A view is an array (images, width) float32, of patches (images, patches, width); pipeline.views names them.
"""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
from numpy.lib.npyio import NpzFile
from pydantic import BaseModel, ConfigDict, ValidationError

from pipeline import layout
from pipeline.data.store import ImageSet
from pipeline.digests import check, seal
from pipeline.files import InputError, read_json, write_json


class ReferenceMeta(BaseModel):
    """The reference model's view, and the sha256 of the file of its weights."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    view: str
    sha256: str


class EmbeddingsMeta(BaseModel):
    """encoder, twin: `weights_hash` of the encoder that made them, and of its dense twin. dim: width of its
    features. patch_size: pixels. views: of images, in the order of the tables. sets: the fingerprint of each
    embedded set, by name.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    encoder: str
    twin: str | None = None
    dim: int
    patch_size: int
    views: tuple[str, ...]
    sets: dict[str, str]
    reference: ReferenceMeta | None = None


@dataclass(frozen=True)
class ViewFile:
    """The file of one split's views. index: name of the array that says which image each row is of."""

    path: Path
    index: str

    def exists(self) -> bool:
        return self.path.exists()

    def views(self) -> list[str]:
        """The names of the views in it. Raises InputError where the file is missing or broken."""
        with self._open() as arrays:
            return [name for name in arrays if name != self.index]

    def read(self, name: str) -> np.ndarray:
        """One view, or the index. Raises InputError where it is missing or the file is broken."""
        with self._open() as arrays:
            return arrays[name]

    def read_index(self) -> np.ndarray:
        """(images,) int: the row in the set of each image."""
        return self.read(self.index)

    def write(self, index: np.ndarray, views: dict[str, np.ndarray]) -> None:
        np.savez(self.path, **{self.index: index, **views})  # pyright: ignore[reportArgumentType]

    @contextmanager
    def _open(self) -> Iterator[NpzFile]:
        try:
            with np.load(self.path) as arrays:
                yield arrays
        except (OSError, ValueError, KeyError, BadZipFile) as error:
            raise InputError(
                f"{self.path}: not readable embeddings ({error}); run `dvc repro -f -s embed`"
            ) from None


def image_views(embeddings: Path, name: str, split: str) -> ViewFile:
    """The views of every image of a split of the set `name`."""
    return ViewFile(embeddings / name / layout.features_file(split), index="ids")


def patch_views(embeddings: Path, name: str, split: str) -> ViewFile:
    """The views of every patch of some images; such a file need not exist."""
    return ViewFile(embeddings / name / layout.patch_features_file(split), index="rows")


def corrupted_views(embeddings: Path, name: str, corruption: str) -> ViewFile:
    """Views of some test images under a corruption."""
    return ViewFile(embeddings / name / layout.corrupted_features_file(corruption), index="rows")


def corruptions(embeddings: Path, name: str) -> list[str]:
    """The corruptions under which test images of the set `name` were embedded."""
    files = sorted((embeddings / name).glob(layout.corrupted_features_file("*")))
    return [file.stem.removeprefix(layout.CORRUPTED) for file in files]


def write_meta(embeddings: Path, meta: EmbeddingsMeta) -> None:
    """Write what the finished embeddings were made of, and the digests of all their files."""
    write_json(embeddings / layout.META, meta.model_dump(mode="json", exclude_none=True))
    seal(embeddings)


def read_meta(embeddings: Path, encoder: Path) -> EmbeddingsMeta:
    """What the embeddings were made of, once it is sure that the encoder in the folder `encoder` and the
    twin beside it made them.

    Raises InputError where a file is missing or is not what was written, and where another encoder made them.
    """
    check(embeddings)
    path = embeddings / layout.META
    try:
        meta = EmbeddingsMeta.model_validate(read_json(path))
    except ValidationError as error:
        mistake = error.errors()[0]
        place = ".".join(map(str, mistake["loc"]))
        raise InputError(f"{path}: not a description of embeddings ({place}: {mistake['msg']})") from None
    if meta.encoder != weights_hash(encoder):
        raise InputError(f"{embeddings}: made by another encoder than {encoder}; run `dvc repro embed`")
    twin = twin_folder(encoder)
    if meta.twin != (twin and weights_hash(twin)):
        beside = encoder.parent / layout.TWIN.name
        raise InputError(f"{embeddings}: made with another twin than {beside}; run `dvc repro embed`")
    return meta


def check_images(embeddings: Path, meta: EmbeddingsMeta, image_set: ImageSet) -> None:
    """Raises InputError where the embeddings of the set were made of other images, or it has none."""
    if meta.sets.get(image_set.name) != image_set.fingerprint:
        raise InputError(
            f"{embeddings / image_set.name}: made of other images than {image_set.folder}; "
            "run `dvc repro embed`"
        )


def twin_folder(encoder: Path) -> Path | None:
    """The folder of the dense twin of the encoder in the folder `encoder`; None where it has none."""
    folder = encoder.parent / layout.TWIN.name
    return folder if (folder / layout.CONFIG).exists() else None


def weights_hash(encoder: Path) -> str:
    """sha256 of the weights in the folder `encoder`, the sparse module's included: it identifies the encoder
    that made some embeddings.

    Raises InputError where a file of the folder is missing or is not what was written.
    """
    check(encoder)
    digest = hashlib.sha256()
    digest.update((encoder / layout.TRAINED_WEIGHTS).read_bytes())
    module = encoder / layout.SPARSITY_WEIGHTS
    if module.exists():
        digest.update(module.read_bytes())
    return digest.hexdigest()
