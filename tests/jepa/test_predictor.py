"""The predictor: what each kind can and cannot tell of the context."""

import pytest
import torch
from conftest import default_tree, override

from pipeline.jepa.predictor import Predictor
from pipeline.params import ModelParams

CONTEXT = torch.tensor([[0, 3, 6, 9]])
TARGETS = torch.tensor([[[1, 2], [5, 6]]])


def build(name: str) -> Predictor:
    tree = override(default_tree(), {"model.predictor.name": name})["model"]
    torch.manual_seed(0)
    return Predictor(ModelParams.model_validate(tree).predictor, embed_dim=8, grid=4)


def tokens(seed: int) -> torch.Tensor:
    return torch.randn(1, 4, 8, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize(("name", "is_linear"), [("linear", True), ("mlp", False), ("transformer", False)])
def test_the_linear_predictor_alone_is_linear_in_the_context(name, is_linear):
    predictor = build(name)
    a, b = tokens(1), tokens(2)
    middle = predictor((a + b) / 2, CONTEXT, TARGETS)
    ends = (predictor(a, CONTEXT, TARGETS) + predictor(b, CONTEXT, TARGETS)) / 2
    assert torch.allclose(middle, ends, atol=1e-5) == is_linear


@pytest.mark.parametrize("name", ["linear", "mlp", "transformer"])
def test_every_hidden_patch_has_a_prediction_of_its_own(name):
    predictions = build(name)(tokens(1), CONTEXT, TARGETS)
    assert predictions.shape == (1, 2, 2, 8)
    rows = predictions.flatten(0, 2)
    distances = torch.cdist(rows, rows) + torch.eye(len(rows))
    assert distances.min() > 1e-3


@pytest.mark.parametrize(("name", "pools"), [("linear", True), ("mlp", True), ("transformer", False)])
def test_without_attention_only_the_mean_of_the_context_counts(name, pools):
    predictor = build(name)
    a = tokens(1)
    same_mean = a.mean(1, keepdim=True).expand_as(a)
    difference = predictor(a, CONTEXT, TARGETS) - predictor(same_mean, CONTEXT, TARGETS)
    assert (difference.abs().max() < 1e-5) == pools


def test_the_ladder_rises_in_weights():
    ladder = [build(name) for name in ("linear", "mlp", "transformer")]
    counts = [sum(weight.numel() for weight in predictor.parameters()) for predictor in ladder]
    assert counts == sorted(counts)
