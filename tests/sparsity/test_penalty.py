"""What both penalties promise: bounded, blind to scale, relative to the prediction loss."""

import pytest
import torch
from conftest import default_tree, override
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.params import SparsityParams
from pipeline.sparsity.batch import SparsityBatch, Strengths
from pipeline.sparsity.build import build_method


@settings(max_examples=30)
@given(groups=st.sampled_from([1, 2, 4, 8]), seed=st.integers(0, 1000), scale=st.floats(0.1, 100))
def test_on_normalised_tokens_the_penalty_is_at_most_one_and_blind_to_scale(groups, seed, scale):
    method = build_method(sparsity("group_lasso", groups=groups), 16)
    assert method is not None
    tokens = torch.randn(3, 2, 16, generator=torch.Generator().manual_seed(seed))
    terms = [
        method(batch(x, strength=1.0, prediction=torch.ones(())))["group_lasso"]
        for x in (tokens, scale * tokens)
    ]
    assert 0 < terms[0] <= 1 + 1e-5
    torch.testing.assert_close(*terms, rtol=2e-2, atol=0)


@pytest.mark.parametrize("name", ["group_lasso", "l1"])
def test_lambda_is_the_share_of_the_prediction_loss_and_gives_it_no_gradient(name):
    method = build_method(sparsity(name), 16)
    assert method is not None
    tokens = torch.randn(5, 2, 16, generator=torch.Generator().manual_seed(0), requires_grad=True)
    prediction = torch.tensor(0.25, requires_grad=True)
    term = method(batch(tokens, strength=0.1, prediction=prediction))[name]
    term.backward()
    assert prediction.grad is None and tokens.grad is not None and tokens.grad.abs().sum() > 0
    assert 0 < term <= 0.1 * 0.25


def sparsity(name: str, **changes: object) -> SparsityParams:
    tree = override(default_tree()["sparsity"], {"method": name, "groups": 4, **changes})
    return SparsityParams.model_validate(tree)


def batch(tokens: torch.Tensor, strength: float, prediction: torch.Tensor) -> SparsityBatch:
    strengths = Strengths(weight=1.0, beta=0.0, lambda_=strength)
    return SparsityBatch(tokens, torch.zeros_like(tokens), None, None, strengths, prediction)
