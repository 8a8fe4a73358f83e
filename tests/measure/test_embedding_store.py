"""Embeddings on disk: what is written is read back, and what does not belong together is refused."""

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest

from pipeline.data.store import open_set
from pipeline.digests import seal
from pipeline.files import InputError, write_json
from pipeline.layout import DATA, EMBEDDINGS, ENCODER, META, SPARSITY_WEIGHTS, TRAINED_WEIGHTS
from pipeline.measure.embedding_store import (
    EmbeddingsMeta,
    check_images,
    image_views,
    patch_views,
    read_meta,
    weights_hash,
    write_meta,
)
from tests.stages.tiny_run import tiny_params, tiny_run, write_encoder, write_set


@pytest.fixture
def meta(tmp_path: Path) -> EmbeddingsMeta:
    """Of a tiny run whose embeddings were described, and need not be computed."""
    tiny_run(tmp_path)
    image_set = open_set(tmp_path / DATA / "scenes")
    written = EmbeddingsMeta(
        encoder=weights_hash(tmp_path / ENCODER),
        dim=16,
        patch_size=4,
        views=("encoder", "pixels_pca"),
        sets={"scenes": image_set.fingerprint},
    )
    write_meta(tmp_path / EMBEDDINGS, written)
    return written


def test_the_description_is_read_back_and_says_nothing_of_a_reference_that_is_not(
    meta: EmbeddingsMeta, tmp_path: Path
):
    assert read_meta(tmp_path / EMBEDDINGS, tmp_path / ENCODER) == meta
    assert "reference" not in json.loads((tmp_path / EMBEDDINGS / META).read_text())


def test_another_encoder_is_refused(meta: EmbeddingsMeta, tmp_path: Path):
    write_encoder(tmp_path / ENCODER, tiny_params(), seed=9)
    with pytest.raises(
        InputError, match=r"embeddings: made by another encoder than .*; run `dvc repro embed`"
    ):
        read_meta(tmp_path / EMBEDDINGS, tmp_path / ENCODER)


def test_other_images_and_a_set_that_was_not_embedded_are_refused(meta: EmbeddingsMeta, tmp_path: Path):
    check_images(tmp_path / EMBEDDINGS, meta, open_set(tmp_path / DATA / "scenes"))
    for name in ("scenes", "flowers"):
        write_set(tmp_path / DATA / name, seed=8)
        with pytest.raises(InputError, match=rf"embeddings/{name}: made of other images than .*data/{name};"):
            check_images(tmp_path / EMBEDDINGS, meta, open_set(tmp_path / DATA / name))


@pytest.mark.parametrize(
    ("change", "mistake"), [({"dim": "wide"}, r"dim: Input should be"), ({"seed": 1}, r"seed: Extra inputs")]
)
def test_a_description_of_something_else_is_named(
    meta: EmbeddingsMeta, tmp_path: Path, change: dict[str, object], mistake: str
):
    write_json(tmp_path / EMBEDDINGS / META, meta.model_dump(mode="json") | change)
    seal(tmp_path / EMBEDDINGS)
    with pytest.raises(InputError, match=rf"meta\.json: not a description of embeddings \({mistake}"):
        read_meta(tmp_path / EMBEDDINGS, tmp_path / ENCODER)


@pytest.mark.parametrize("file_of", [image_views, patch_views])
def test_views_are_read_back_by_name(file_of, tmp_path: Path):
    (tmp_path / "scenes").mkdir()
    file = file_of(tmp_path, "scenes", "train")
    assert not file.exists()
    encoder = np.arange(6, dtype=np.float32).reshape(3, 2)
    file.write(np.array([0, 5, 7]), {"encoder": encoder, "latent": encoder[:, :1]})
    assert file.views() == ["encoder", "latent"]
    assert np.array_equal(file.read_index(), [0, 5, 7]) and np.array_equal(file.read("encoder"), encoder)
    with pytest.raises(InputError, match=r"train\.npz: not readable embeddings \(.*groups"):
        file.read("groups")


def test_the_hash_is_of_the_weights_of_encoder_and_module(tmp_path: Path):
    (tmp_path / TRAINED_WEIGHTS).write_bytes(b"abc")
    seal(tmp_path)
    assert weights_hash(tmp_path) == hashlib.sha256(b"abc").hexdigest()
    (tmp_path / SPARSITY_WEIGHTS).parent.mkdir()
    (tmp_path / SPARSITY_WEIGHTS).write_bytes(b"def")
    seal(tmp_path)
    assert weights_hash(tmp_path) == hashlib.sha256(b"abcdef").hexdigest()
    with pytest.raises(InputError, match=r"elsewhere/digests\.json: not found"):
        weights_hash(tmp_path / "elsewhere")
