from pathlib import Path

import numpy as np
import pytest
import timm
import torch
from safetensors.torch import load_file, save_file

from pipeline.data.normalise import normalise
from pipeline.data.store import open_set
from pipeline.digests import seal
from pipeline.embed import embedding
from pipeline.embed.corruptions import CORRUPTIONS
from pipeline.embed.source import ComputeViews, Context, Sample
from pipeline.files import InputError, read_json, write_json
from pipeline.jepa.pretrained import load_encoder
from pipeline.layout import DATA, ENCODER
from pipeline.views import VIEWS
from stages import embed, probe
from tests.stages.tiny_run import COUNTS, SIZE, tiny_params, tiny_run, write_encoder, write_set

WIDTHS = {
    "encoder": 16,
    "last_blocks": 16,
    "latent": 8,
    "groups": 4,
    "random_init": 16,
    "random_init_last_blocks": 16,
    "sae": 8,
    "encoder_pca": 8,
    "pixels_pca": 16,
}


OF_MODULE = ("latent", "groups", "encoder_pca")


def whitened_encoder(_context: Context, train: Sample) -> ComputeViews:
    """ZCA of the encoder's features, fitted on the training split."""
    features = train.views["encoder"]
    mean, covariance = features.mean(0), np.cov(features, rowvar=False)
    variances, directions = np.linalg.eigh(covariance + 1e-6 * np.eye(len(covariance)))
    whitening = (directions / np.sqrt(variances) @ directions.T).astype(np.float32)
    return lambda sample: {"whitened": (sample.views["encoder"] - mean) @ whitening}


def test_a_view_is_one_source_in_the_registry_and_is_probed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    run = tiny_run(tmp_path)
    monkeypatch.setattr(embedding, "IMAGE_SOURCES", (*embedding.IMAGE_SOURCES, whitened_encoder))
    embed.main(run, tmp_path)
    probe.main(run, tmp_path)
    views = {split: np.load(tmp_path / f"artifacts/embeddings/scenes/{split}.npz") for split in COUNTS}
    assert views["test"]["whitened"].shape == views["test"]["encoder"].shape
    variances = np.linalg.eigvalsh(np.cov(views["train"]["whitened"], rowvar=False))
    assert np.median(variances) == pytest.approx(1, abs=0.05)
    labels = read_json(tmp_path / "reports/metrics/probe.json")["scenes"]
    assert "accuracy" in labels["colour"]["whitened"]


def test_an_encoder_without_a_module_has_no_views_of_one(tmp_path: Path):
    run = tiny_run(tmp_path)
    config, meta = tmp_path / "artifacts/encoder/config.json", tmp_path / "artifacts/embeddings/meta.json"
    embed.main(run, tmp_path)
    views = read_json(meta)["views"]
    content = read_json(config)
    content["sparsity"]["method"] = "none"
    write_json(config, content)
    seal(config.parent)
    embed.main(run, tmp_path)
    assert read_json(meta)["views"] == [view for view in views if view not in OF_MODULE]


def test_a_module_behind_the_predictor_has_no_views(tmp_path: Path):
    """It reads predicted tokens, and there are none of an image that is seen whole."""
    run = tiny_params(sparsity={"groups": 4, "latent_dim": 8, "site": "predictor"})
    write_set(tmp_path / DATA / "scenes")
    write_encoder(tmp_path / ENCODER, run)
    embed.main(run, tmp_path)
    views = read_json(tmp_path / "artifacts/embeddings/meta.json")["views"]
    assert views == [view for view in WIDTHS if view not in OF_MODULE]


def test_codes_of_finished_features_are_fitted_to_clean_training_images(tmp_path: Path):
    run = tiny_run(tmp_path)
    embed.main(run, tmp_path)
    folder = tmp_path / "artifacts/embeddings/scenes"
    for split in COUNTS:
        views = np.load(folder / f"{split}.npz")
        assert ((views["sae"] > 0).sum(1) <= 3).all() and views["sae"].any() and (views["sae"] >= 0).all()
        components = views["encoder_pca"]
        assert components.std(0).argsort()[::-1].tolist()[0] == 0
    train = np.load(folder / "train.npz")
    standard = (train["encoder"] - train["encoder"].mean(0)) / train["encoder"].std(0)
    explained = np.linalg.svd(standard, compute_uv=False)[:8] / len(standard) ** 0.5
    assert train["encoder_pca"].std(0) == pytest.approx(explained, rel=1e-3)
    codes = np.load(folder / "corrupted_contrast.npz")
    again = np.load(folder / "test.npz")["sae"][codes["rows"]]
    assert codes["sae"].shape == again.shape and not np.array_equal(codes["sae"], again)


def test_corrupted_images_give_other_features_of_the_same_images(tmp_path: Path):
    run = tiny_run(tmp_path)
    embed.main(tiny_params(embed={"corrupted_images": 30}), tmp_path)
    folder = tmp_path / "artifacts/embeddings/scenes"
    clean = np.load(folder / "test.npz")
    for name in CORRUPTIONS:
        arrays = np.load(folder / f"corrupted_{name}.npz")
        assert {"encoder", "latent", "random_init"} <= set(arrays) and "pixels_pca" not in arrays
        assert len(arrays["rows"]) == 30 and arrays["encoder"].shape == (30, 16)
        assert (arrays["encoder"] != clean["encoder"][arrays["rows"]]).any(1).all()
    embed.main(tiny_params(embed={"corrupted_images": 0}), tmp_path)
    assert not list(folder.glob("corrupted_*"))
    assert run.embed.corrupted_images > 0  # the default


def test_every_image_has_a_row_in_every_view(tmp_path: Path):
    run = tiny_run(tmp_path)
    embed.main(run, tmp_path)
    assert set(WIDTHS) <= set(VIEWS)  # each has a title
    for split, count in COUNTS.items():
        arrays = np.load(tmp_path / f"artifacts/embeddings/scenes/{split}.npz")
        assert np.array_equal(arrays["ids"], np.arange(count))
        for view, width in WIDTHS.items():
            assert arrays[view].shape == (count, width) and arrays[view].dtype == np.float32
    meta = read_json(tmp_path / "artifacts/embeddings/meta.json")
    assert meta["dim"] == 16 and meta["views"] == list(WIDTHS)
    assert meta["sets"] == {"scenes": open_set(tmp_path / "artifacts/data/scenes").fingerprint}


def test_the_views_are_the_trained_and_the_initial_encoder(tmp_path: Path):
    run = tiny_params(runtime={"precision": "fp32"})
    tiny_run(tmp_path)
    embed.main(run, tmp_path)
    image_set = open_set(tmp_path / "artifacts/data/scenes")
    images = torch.from_numpy(np.array(image_set.split("test").images))
    arrays = np.load(tmp_path / "artifacts/embeddings/scenes/test.npz")
    for view, weights in (("encoder", "encoder"), ("random_init", "initial")):
        with torch.no_grad():
            expected = load_encoder(tmp_path / "artifacts/encoder", weights)(
                normalise(images, image_set.mean, image_set.std)
            )
        np.testing.assert_allclose(arrays[view], expected.numpy(), atol=1e-5)


def test_a_set_of_another_size_is_refused_and_the_old_embeddings_stay(tmp_path: Path):
    run = tiny_run(tmp_path)
    embed.main(run, tmp_path)
    write_set(tmp_path / "artifacts/data/cifar10", size=2 * SIZE)
    with pytest.raises(InputError, match=r"cifar10: images of 32 pixels, but the encoder takes 16"):
        embed.main(tiny_params(embed={"sets": ["cifar10"]}), tmp_path)
    assert (tmp_path / "artifacts/embeddings/scenes/test.npz").exists()


def test_a_second_set_is_embedded_beside_the_first_and_named_once(tmp_path: Path):
    tiny_run(tmp_path)
    write_set(tmp_path / "artifacts/data/cifar10", seed=5)
    embed.main(tiny_params(embed={"sets": ["cifar10", "scenes", "cifar10"]}), tmp_path)
    assert list(read_json(tmp_path / "artifacts/embeddings/meta.json")["sets"]) == ["scenes", "cifar10"]


def test_features_that_are_not_finite_are_refused(tmp_path: Path):
    run = tiny_run(tmp_path)
    path = tmp_path / "artifacts/encoder/model.safetensors"
    weights = load_file(path)
    weights["norm.weight"][:] = torch.nan
    save_file(weights, path)
    seal(path.parent)
    with pytest.raises(InputError, match=r"model\.safetensors: its features of scenes train are not finite"):
        embed.main(run, tmp_path)


def test_a_missing_set_is_named(tmp_path: Path):
    tiny_run(tmp_path)
    with pytest.raises(InputError, match=r"cifar100/digests\.json: not found"):
        embed.main(tiny_params(embed={"sets": ["cifar100"]}), tmp_path)


def test_patches_have_the_features_of_their_tokens(tmp_path: Path):
    run = tiny_params(embed={"token_images": 30}, runtime={"precision": "fp32"})
    tiny_run(tmp_path)
    embed.main(run, tmp_path)
    image_set = open_set(tmp_path / "artifacts/data/scenes")
    arrays = np.load(tmp_path / "artifacts/embeddings/scenes/tokens_test.npz")
    assert set(arrays) == {"rows", "encoder", "latent", "groups", "random_init", "pixels_pca"}
    images = torch.from_numpy(np.array(image_set.split("test").images[arrays["rows"]]))
    encoder = load_encoder(tmp_path / "artifacts/encoder")
    with torch.no_grad():
        tokens = encoder.forward_features(normalise(images, image_set.mean, image_set.std))
    assert arrays["encoder"].shape == (30, 16, 16)
    np.testing.assert_allclose(arrays["encoder"], tokens.numpy(), atol=1e-5)
    # One patch's raw pixels are its own: equal patches have equal components.
    assert np.abs(arrays["pixels_pca"][:, 0] - arrays["pixels_pca"][:, 1]).max() < 1e-4  # both white
    assert np.abs(arrays["pixels_pca"][:, 0] - arrays["pixels_pca"][:, 2]).max() > 0.1


def test_a_reference_model_is_a_view_of_its_own(tmp_path: Path):
    tiny_run(tmp_path)
    name = "test_vit.r160_in1k"
    weights = timm.create_model(name, pretrained=False).state_dict()
    save_file(weights, tmp_path / "reference.safetensors")
    reference = {"name": name, "weights": str(tmp_path / "reference.safetensors")}
    embed.main(tiny_params(embed={"reference": reference, "token_images": 0}), tmp_path)
    meta = read_json(tmp_path / "artifacts/embeddings/meta.json")
    assert meta["views"] == [*WIDTHS, "test_vit_r160_in1k"]
    assert meta["reference"]["view"] == "test_vit_r160_in1k"
    features = np.load(tmp_path / "artifacts/embeddings/scenes/train.npz")["test_vit_r160_in1k"]
    assert features.shape == (COUNTS["train"], 64) and features.std(0).min() > 0
