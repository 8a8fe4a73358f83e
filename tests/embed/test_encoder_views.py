"""The exported module, read back: the same views as in training, broken files named."""

import pytest
import torch
from conftest import default_tree, override
from safetensors.torch import save_file

from pipeline.embed.encoder_views import ImageViews, PatchViews
from pipeline.files import InputError, write_json
from pipeline.jepa.encoder import build_encoder
from pipeline.layout import SPARSITY_WEIGHTS
from pipeline.params import Params
from pipeline.sparsity.build import build_method
from pipeline.sparsity.exported import load_method

WIDTHS = {
    "none": {"encoder": 32},
    "oi_vae": {"encoder": 32, "latent": 16, "groups": 8},
    "group_lasso": {"encoder": 32, "groups": 8},
    "l1": {"encoder": 32, "groups": 8},
    "rdmreg": {"encoder": 32, "latent": 32, "groups": 8},
    "topk": {"encoder": 32, "latent": 16, "groups": 8},
}


def small(method: str, site: str = "tokens") -> Params:
    changes = {
        "model.embed_dim": 32,
        "model.depth": 1,
        "sparsity.method": method,
        "sparsity.site": site,
        "sparsity.groups": 8,
        "sparsity.latent_dim": 16,
    }
    return Params.model_validate(override(default_tree(), changes))


@pytest.mark.parametrize("method", WIDTHS)
@pytest.mark.parametrize("site", ["tokens", "pooled"])
def test_a_module_survives_its_export_and_gives_its_views(tmp_path, method, site):
    params = small(method, site)
    config = {"num_features": 32, "sparsity": params.sparsity.model_dump(mode="json", by_alias=True)}
    write_json(tmp_path / "config.json", config)
    module = build_method(params.sparsity, 32, seed=3)
    if module is not None:
        (tmp_path / SPARSITY_WEIGHTS).parent.mkdir()
        save_file(module.state_dict(), tmp_path / SPARSITY_WEIGHTS)
    read = load_method(tmp_path)
    encoder = build_encoder(params.model, 32, 0).eval()
    views = ImageViews(encoder, read, site)
    assert dict(zip(views.names, views.widths, strict=True)) == WIDTHS[method]
    images = torch.randn(5, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        columns = views(images)
        assert columns.shape == (5, sum(WIDTHS[method].values()))
        torch.testing.assert_close(columns[:, :32], encoder(images))
        if module is not None:
            expected = ImageViews(encoder, module.eval(), site)(images)
            assert torch.equal(columns, expected)


def test_the_last_blocks_are_those_of_timm_and_end_with_the_encoders_view():
    params = Params.model_validate(override(default_tree(), {"model.embed_dim": 32, "model.depth": 3}))
    encoder = build_encoder(params.model, 32, 0).eval()
    images = torch.randn(5, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        columns = ImageViews(encoder, None, "tokens", 2)(images)
        layers = encoder.get_intermediate_layers(images, n=2, norm=True)
        expected = torch.cat([layer.mean(1) for layer in layers], dim=1)
    assert columns.shape == (5, 32 + 64)
    torch.testing.assert_close(columns[:, 32:], expected)
    assert torch.equal(columns[:, :32], columns[:, 64:])


def test_more_blocks_than_there_are_mean_all_and_none_leaves_the_view_out():
    params = Params.model_validate(override(default_tree(), {"model.embed_dim": 32, "model.depth": 2}))
    encoder = build_encoder(params.model, 32, 0).eval()
    assert ImageViews(encoder, None, "tokens", 9).widths == [32, 64]
    assert ImageViews(encoder, None, "tokens", 0).names == ["encoder"]


def test_patches_mean_what_images_do():
    params = small("oi_vae")
    encoder, module = build_encoder(params.model, 32, 0).eval(), build_method(params.sparsity, 32, seed=3)
    assert module is not None
    images = torch.randn(5, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    of_images, of_patches = (
        ImageViews(encoder, module.eval(), "tokens"),
        PatchViews(encoder, module, "tokens"),
    )
    assert of_patches.names == of_images.names and of_patches.widths == of_images.widths
    with torch.no_grad():
        patches = of_patches(images).reshape(5, 16, -1)
        torch.testing.assert_close(patches.mean(1), of_images(images))
    assert PatchViews(encoder, module, "pooled").names == ["encoder"]


def test_an_encoder_without_a_module_has_none(tmp_path):
    write_json(tmp_path / "config.json", {"num_features": 32})
    assert load_method(tmp_path) is None


def test_missing_and_foreign_weights_are_named(tmp_path):
    params = small("oi_vae")
    config = {"num_features": 32, "sparsity": params.sparsity.model_dump(mode="json", by_alias=True)}
    write_json(tmp_path / "config.json", config)
    with pytest.raises(InputError, match=r"sparsity\.safetensors: not found"):
        load_method(tmp_path)
    (tmp_path / SPARSITY_WEIGHTS).parent.mkdir()
    save_file({"other": torch.zeros(2)}, tmp_path / SPARSITY_WEIGHTS)
    with pytest.raises(InputError, match=r"sparsity\.safetensors: not the weights of"):
        load_method(tmp_path)
