"""`python -m pipeline embed-images`: a table of features for any folder of images."""

import argparse
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
import yaml
from PIL import Image

from pipeline.files import InputError
from pipeline.jepa.pretrained import load_encoder
from pipeline.layout import ENCODER
from pipeline.measure.embeddings import encoder_normalise
from pipeline.orchestration.commands import embed_images
from pipeline.sparsity.exported import load_method
from tests.stages.tiny_run import SIZE, tiny_run


@pytest.fixture
def project(tmp_path, monkeypatch) -> Path:
    """A finished encoder in the current folder, and images in photos/."""
    run = tiny_run(tmp_path)
    tree = run.model_dump(mode="json", by_alias=True)
    tree["runtime"] |= {"precision": "fp32", "workers": 1}
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(tree))
    draw = np.random.default_rng(0)
    for name in ("b.png", "sub/deep/a.bmp", "sub/c.png"):
        path = tmp_path / "photos" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(draw.integers(256, size=(SIZE, SIZE, 3), dtype=np.uint8)).save(path)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def embed(*words: str) -> int:
    parser = argparse.ArgumentParser()
    embed_images.add_arguments(parser)
    return embed_images.main(parser.parse_args(words))


def test_a_row_per_image_has_the_features_of_encoder_and_module(project):
    assert embed("photos", "--out", "out/features.parquet") == 0
    table = pd.read_parquet("out/features.parquet")
    assert table["path"].tolist() == ["b.png", "sub/c.png", "sub/deep/a.bmp"]
    pixels = np.stack([np.asarray(Image.open(project / "photos" / path)) for path in table["path"]])
    images = encoder_normalise(project / ENCODER)(torch.from_numpy(pixels))
    tokens = load_encoder(project / ENCODER).forward_features(images)
    module = load_method(project / ENCODER)
    assert module is not None
    expected = {"encoder": tokens, "latent": module.latents(tokens), "groups": module.energies(tokens)}
    assert list(table.columns) == ["path", *expected]
    for view, values in expected.items():
        np.testing.assert_allclose(np.stack(table[view]), values.mean(1).numpy(), atol=1e-5, err_msg=view)


def test_a_broken_image_is_named_and_left_out_only_on_request(project, capsys):
    (project / "photos/broken.png").write_text("no image")
    with pytest.raises(InputError, match=r"cannot read broken\.png \(not an image\); --skip-broken"):
        embed("photos", "--out", "features.parquet")
    assert not list(project.glob("*.parquet"))
    assert embed("photos", "--out", "features.parquet", "--skip-broken") == 0
    assert len(pd.read_parquet("features.parquet")) == 3
    assert "broken: broken.png (not an image)" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("nowhere", "--out", "a.parquet"), r"^FOLDER: nowhere: No such file"),
        (("artifacts", "--out", "a.parquet"), r"^FOLDER: artifacts has no images"),
        (("photos", "--out", "a.csv"), r"^--out: must end in \.parquet, got a\.csv"),
        (("photos", "--out", "a.parquet", "--encoder", "other"), r"other/config\.json: not found"),
    ],
)
def test_a_mistake_is_one_line_and_nothing_is_written(project, words, message):
    with pytest.raises(InputError, match=message) as caught:
        embed(*words)
    assert "\n" not in str(caught.value)
    assert not list(project.glob("*.parquet")) and not list(project.glob(".*parquet*"))
