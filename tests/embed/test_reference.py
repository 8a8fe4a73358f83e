"""A timm model from a local file: its own features, its own normalisation, nothing downloaded."""

import hashlib

import pytest
import timm
import torch
from safetensors.torch import save_file
from timm.data import resolve_model_data_config

from pipeline.embed.reference import load_reference
from pipeline.files import InputError
from pipeline.params import ReferenceParams

NAME = "test_vit.r160_in1k"
CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def weights(tmp_path_factory) -> dict:
    torch.manual_seed(0)
    return timm.create_model(NAME, pretrained=False).state_dict()


def params(name: str | None, path: object) -> ReferenceParams:
    return ReferenceParams.model_validate({"name": name, "weights": None if path is None else str(path)})


@pytest.mark.parametrize("ending", ["safetensors", "pth"])
def test_features_are_the_models_own_at_its_own_size(tmp_path, weights, ending):
    path = tmp_path / f"weights.{ending}"
    save_file(weights, path) if ending == "safetensors" else torch.save({"state_dict": weights}, path)
    reference = load_reference(params(NAME, path), tmp_path, CPU)
    assert reference is not None and reference.view == "test_vit_r160_in1k"
    own = timm.create_model(NAME, pretrained=False, num_classes=0).eval()
    own.load_state_dict({key: value for key, value in weights.items() if not key.startswith("head.")})
    config = resolve_model_data_config(own)
    images = torch.randn(2, 3, *config["input_size"][1:])
    assert torch.equal(reference.network(images), own(images))
    assert reference.network(torch.randn(3, 3, 32, 32)).shape == (3, reference.dim)
    assert (reference.mean, reference.std) == (config["mean"], config["std"])
    assert reference.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()


def test_none_is_named_and_none_is_loaded(tmp_path):
    assert load_reference(params(None, None), tmp_path, CPU) is None


def test_missing_broken_and_foreign_weights_are_one_line(tmp_path, weights):
    with pytest.raises(InputError, match=r"^embed\.reference\.weights: .*nowhere\.pth: no such file"):
        load_reference(params(NAME, "nowhere.pth"), tmp_path, CPU)
    (tmp_path / "half.safetensors").write_bytes(b"half")
    with pytest.raises(InputError, match=r"^embed\.reference\.weights: .*half\.safetensors: no weights"):
        load_reference(params(NAME, "half.safetensors"), tmp_path, CPU)
    save_file({"other": torch.zeros(2)}, tmp_path / "other.safetensors")
    with pytest.raises(InputError, match=r"other\.safetensors: not the weights of test_vit") as caught:
        load_reference(params(NAME, "other.safetensors"), tmp_path, CPU)
    assert "\n" not in str(caught.value)
    save_file(weights, tmp_path / "good.safetensors")
    with pytest.raises(ValueError, match="timm has no model 'vit_gigantic'; did you mean"):
        params("vit_gigantic", "good.safetensors")


def test_a_name_without_weights_is_refused():
    with pytest.raises(ValueError, match="needs both name and weights, or neither"):
        params(NAME, None)
