"""The encoder is timm's Vision Transformer: same features, fixed positions, hidden patches unseen."""

import json
import math

import numpy as np
import pytest
import timm
import torch
from conftest import default_tree, override
from PIL import Image
from safetensors.torch import save_file

from pipeline.data.normalise import normalise
from pipeline.files import InputError, ParamsError
from pipeline.jepa.encoder import build_encoder, embed_patches, encode, timm_config
from pipeline.jepa.kernels import fit_attention
from pipeline.jepa.positions import sincos_positions
from pipeline.jepa.pretrained import load_encoder
from pipeline.params import ModelParams
from pipeline.prepare.source import fit_square


def params(**changes: object) -> ModelParams:
    small = {"embed_dim": 32, "depth": 2, "num_heads": 2}
    return ModelParams.model_validate(override(default_tree()["model"], small | changes))


@pytest.fixture
def images() -> torch.Tensor:
    return torch.randn(3, 3, 32, 32, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("name", [None, "vit_tiny_patch16_224", "deit3_small_patch16_224"])
def test_encode_of_all_patches_equals_timms_own_forward(images, name):
    encoder = build_encoder(params(name=name), 32, seed=0).eval()
    tokens = encode(encoder, images)
    assert torch.allclose(tokens, encoder.forward_features(images), atol=1e-5)
    assert torch.allclose(tokens.mean(1), encoder(images), atol=1e-5)


def test_hidden_patches_do_not_change_the_context(images):
    encoder = build_encoder(params(), 32, seed=0)
    positions = torch.tensor([[0, 1, 5], [2, 3, 7], [8, 9, 10]])
    before = encode(encoder, images, positions)
    scrambled = images.clone()
    scrambled[:, :, 24:, :] = 100.0  # the last row of patches, 12..15
    assert torch.equal(before, encode(encoder, scrambled, positions))


def test_both_attention_kernels_compute_the_same(images):
    encoder = build_encoder(params(), 32, seed=0)
    fit_attention(encoder, torch.device("cpu"))
    plain = encode(encoder, images)
    fit_attention(encoder, torch.device("cuda"))
    assert torch.allclose(plain, encode(encoder, images), atol=1e-5)


def test_weights_are_a_function_of_the_seed_alone():
    torch.manual_seed(7)
    first = build_encoder(params(), 32, seed=3).state_dict()
    state = torch.get_rng_state()
    again = build_encoder(params(), 32, seed=3).state_dict()
    assert torch.equal(state, torch.get_rng_state())
    assert all(torch.equal(first[key], again[key]) for key in first)
    other = build_encoder(params(), 32, seed=4).state_dict()
    assert not torch.equal(first["patch_embed.proj.weight"], other["patch_embed.proj.weight"])


def test_positions_are_those_of_the_formula():
    """MAE appendix: feature k of the column half is sin(x / 10000^(k / (d / 4))), then cos; then the row."""
    positions = sincos_positions(16, 3)
    row, column = 1, 2
    for k in range(4):
        omega = 10000 ** (-k / 4)
        expected = [f(v * omega) for v in (column, row) for f in (math.sin, math.cos)]
        assert positions[row * 3 + column, k::4].tolist() == pytest.approx(expected, abs=1e-6)


def test_exported_encoder_loads_into_timm_with_the_documented_call(tmp_path, images, caplog):
    encoder = build_encoder(params(), 32, seed=0).eval()
    save_file(encoder.state_dict(), tmp_path / "model.safetensors")
    config = timm_config(params(), 32, encoder, (0.5,) * 3, (0.2,) * 3)
    (tmp_path / "config.json").write_text(json.dumps(config))
    theirs = timm.create_model(f"local-dir:{tmp_path}", pretrained=True).eval()
    ours = load_encoder(tmp_path)
    assert theirs.pretrained_cfg["mean"] == [0.5] * 3
    assert caplog.records == []
    assert torch.allclose(theirs(images), encoder(images), atol=1e-5)
    assert torch.allclose(ours(images), encoder(images), atol=1e-5)


@pytest.mark.parametrize("size", [(32, 32), (80, 40), (48, 96)])
def test_timms_transform_reads_an_image_as_prepare_does(size):
    """timm's own default scales to more than the input and cuts the edges off."""
    pixels = np.random.default_rng(0).integers(256, size=(4, 4, 3), dtype=np.uint8)
    image = Image.fromarray(pixels).resize(size, Image.Resampling.BICUBIC)
    encoder = build_encoder(params(), 32, seed=0)
    mean, std = (0.4, 0.5, 0.6), (0.2, 0.25, 0.3)
    config = timm_config(params(), 32, encoder, mean, std)["pretrained_cfg"]
    transform = timm.data.create_transform(**timm.data.resolve_data_config(pretrained_cfg=config))
    ours = normalise(torch.from_numpy(fit_square(image, 32).copy())[None], mean, std)[0]
    difference = (transform(image) - ours).abs()
    assert difference.mean() < 0.02
    edges = {key: value for key, value in config.items() if key != "crop_pct"}
    other = timm.data.create_transform(**timm.data.resolve_data_config(pretrained_cfg=edges))
    assert (other(image) - ours).abs().mean() > 3 * difference.mean()


def test_one_block_four_times_has_the_weights_of_one_and_the_outputs_of_four(images):
    model = params(depth=1, iterations=4)
    tied, single = build_encoder(model, 32, seed=0).eval(), build_encoder(params(depth=1), 32, seed=0).eval()
    count = [sum(weight.numel() for weight in each.parameters()) for each in (tied, single)]
    assert count[0] == count[1]
    tokens = embed_patches(single, images)
    for _ in range(4):
        tokens = single.blocks[0](tokens)
    torch.testing.assert_close(encode(tied, images), single.norm(tokens))
    torch.testing.assert_close(tied(images), encode(tied, images).mean(1))


def test_an_iterated_block_learns_from_every_time_that_it_runs(images):
    """Its gradient is the sum of those of four blocks with equal weights."""
    tied = build_encoder(params(depth=1, iterations=4), 32, seed=0)
    four = build_encoder(params(depth=4), 32, seed=1)
    four.load_state_dict(tied.state_dict())
    for encoder in (tied, four):
        encode(encoder, images).square().sum().backward()
    name = "attn.proj.weight"
    parts = [block.get_parameter(name).grad for block in four.blocks]
    torch.testing.assert_close(tied.blocks[0].get_parameter(name).grad, sum(parts))


def test_unknown_or_unfit_architecture_is_named():
    with pytest.raises(ParamsError, match=r"^model\.name: timm cannot build 'vit_enormous'"):
        build_encoder(params().model_copy(update={"name": "vit_enormous"}), 32, seed=0)
    with pytest.raises(ParamsError, match=r"^model\.name: "):
        build_encoder(params(name="resnet18"), 32, seed=0)


def test_broken_export_is_named(tmp_path):
    encoder = build_encoder(params(), 32, seed=0)
    config = timm_config(params(), 32, encoder, (0.5,) * 3, (0.2,) * 3)
    (tmp_path / "config.json").write_text(json.dumps(config))
    with pytest.raises(InputError, match=r"model\.safetensors: not found"):
        load_encoder(tmp_path)
    (tmp_path / "model.safetensors").write_bytes(b"not weights")
    with pytest.raises(InputError, match=r"model\.safetensors: not the weights"):
        load_encoder(tmp_path)
