"""The kernels that suit a device compute what timm's own do, forward and backward."""

import copy

import pytest
import torch
from conftest import default_tree, override
from torch import nn

from pipeline.jepa.encoder import build_encoder, encode
from pipeline.jepa.kernels import FusedLinear, fit_kernels
from pipeline.params import ModelParams

SMALL = {"embed_dim": 32, "depth": 2, "num_heads": 2}


@pytest.mark.parametrize("shape", [(3, 5, 8), (7, 8), (2, 3, 5, 8)])
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("activates", [True, False])
def test_a_fused_linear_is_the_linear_map_with_and_without_gradients(shape, bias, activates):
    linear = nn.Linear(8, 6, bias=bias)
    fused = FusedLinear(linear, activates)
    inputs = torch.randn(shape, requires_grad=True)
    theirs, ours = nn.functional.gelu(linear(inputs)) if activates else linear(inputs), fused(inputs)
    assert torch.allclose(ours, theirs, atol=1e-6)
    with torch.no_grad():
        assert torch.allclose(fused(inputs), theirs, atol=1e-5)
        with torch.autocast("cpu", torch.bfloat16):
            halved = fused(inputs)
        double = copy.deepcopy(fused).double()(inputs.double())  # oneDNN has none: torch's own
    assert double.dtype == torch.float64 and torch.allclose(double.float(), theirs, atol=1e-5)
    assert halved.dtype == torch.bfloat16 and torch.allclose(halved.float(), theirs, atol=0.05)
    weights = [inputs, *linear.parameters()]
    expected = torch.autograd.grad(theirs.square().sum(), weights)
    for found, wanted in zip(torch.autograd.grad(ours.square().sum(), weights), expected, strict=True):
        assert torch.allclose(found, wanted, atol=1e-4)


@pytest.mark.parametrize("device", ["cpu", "cuda"])
def test_a_fitted_encoder_has_the_same_weights_features_and_gradients(device):
    """Choosing kernels needs no such device: only modules change."""
    encoder = build_encoder(ModelParams.model_validate(override(default_tree()["model"], SMALL)), 32, seed=0)
    fitted = copy.deepcopy(encoder)
    fit_kernels(fitted, torch.device(device))
    assert list(fitted.state_dict()) == list(encoder.state_dict())
    images = torch.randn(3, 3, 32, 32)
    positions = torch.tensor([[0, 5, 9]] * 3)
    theirs, ours = encode(encoder, images, positions), encode(fitted, images, positions)
    assert torch.allclose(ours, theirs, atol=1e-5)
    with torch.no_grad():
        assert torch.allclose(encode(fitted, images, positions), theirs, atol=1e-5)
    theirs.square().sum().backward()
    ours.square().sum().backward()
    for found, wanted in zip(fitted.parameters(), encoder.parameters(), strict=True):
        assert (found.grad is None) == (wanted.grad is None)
        assert found.grad is None or torch.allclose(found.grad, wanted.grad, rtol=1e-3, atol=1e-3)


def test_a_cpu_gets_one_kind_of_linear_map_and_a_gpu_keeps_torchs():
    def kinds(device: str) -> set[type]:
        encoder = build_encoder(
            ModelParams.model_validate(override(default_tree()["model"], SMALL)), 32, seed=0
        )
        fit_kernels(encoder, torch.device(device))
        fit_kernels(encoder, torch.device(device))  # a second time changes nothing
        return {type(module) for module in encoder.modules() if isinstance(module, nn.Linear)}

    both = torch.backends.mkldnn.is_available() and torch.backends.mkl.is_available()
    assert kinds("cpu") == {FusedLinear if both else nn.Linear}
    assert kinds("cuda") == {nn.Linear}
