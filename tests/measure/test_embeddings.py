from contextlib import nullcontext
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from timm.models.vision_transformer import VisionTransformer

from pipeline.data.normalise import normalise
from pipeline.measure.embeddings import embed

CPU = torch.device("cpu")
standard = partial(normalise, mean=(0.4, 0.5, 0.6), std=(0.2, 0.3, 0.2))


def pictures(num_images: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (num_images, 16, 16, 3), dtype=np.uint8)


def tiny_encoder() -> VisionTransformer:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return VisionTransformer(
            img_size=16, patch_size=8, embed_dim=24, depth=1, num_heads=2,
            class_token=False, global_pool="avg", fc_norm=False, num_classes=0,
        ).eval()  # fmt: skip


def test_rows_are_the_forward_pass_of_the_images_in_order(tmp_path: Path):
    np.save(tmp_path / "images.npy", pictures(23))
    images = np.load(tmp_path / "images.npy", mmap_mode="r")
    encoder = tiny_encoder()
    features = embed(encoder, images, standard, 10, CPU, nullcontext, progress="test")
    with torch.no_grad():
        expected = encoder(standard(torch.from_numpy(pictures(23)))).numpy()
    assert features.dtype == np.float32
    np.testing.assert_allclose(features, expected, atol=1e-5)


def test_the_result_is_float32_under_autocast_too():
    features = embed(
        tiny_encoder(),
        pictures(5),
        standard,
        5,
        CPU,
        lambda: torch.autocast("cpu", torch.bfloat16),
        progress="",
    )
    exact = embed(tiny_encoder(), pictures(5), standard, 5, CPU, nullcontext, progress="")
    assert features.dtype == np.float32
    np.testing.assert_allclose(features, exact, atol=0.1)


def test_no_progress_bar_without_a_terminal(capsys: pytest.CaptureFixture[str]):
    embed(tiny_encoder(), pictures(3), standard, 2, CPU, nullcontext, progress="title")
    assert capsys.readouterr() == ("", "")
