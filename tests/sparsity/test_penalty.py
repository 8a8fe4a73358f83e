"""What both penalties promise: bounded, blind to scale, lowered by disuse alone, shares of the prediction."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.sparsity.small_penalty import batch, build, term

NAMES = ("group_lasso", "l1")


@settings(max_examples=30)
@given(
    name=st.sampled_from(NAMES),
    groups=st.sampled_from([1, 2, 4, 8, 16]),
    seed=st.integers(0, 1000),
    scale=st.floats(0.1, 100),
)
def test_the_penalty_is_at_most_one_and_blind_to_the_scale_of_each_group(name, groups, seed, scale):
    tokens = torch.randn(3, 2, 16, generator=torch.Generator().manual_seed(seed))
    scaled = tokens.clone()
    scaled[..., : 16 // groups] *= scale
    before, after = term(name, tokens, groups), term(name, scaled, groups)
    assert 0 < before <= 1 + 1e-5
    torch.testing.assert_close(before, after, rtol=1e-3, atol=0)


@pytest.mark.parametrize("name", NAMES)
def test_few_groups_in_all_tokens_cost_as_much_as_all_groups(name):
    """A penalty within a token would reward it, though it is a collapse."""
    tokens = torch.ones(8, 2, 16)
    assert term(name, tokens, groups=4).item() == pytest.approx(1, abs=1e-3)
    tokens[..., :12] = 1e-3
    assert term(name, tokens, groups=4).item() == pytest.approx(1, abs=1e-2)


@pytest.mark.parametrize("name", NAMES)
def test_a_group_in_a_share_of_the_tokens_costs_the_root_of_that_share(name):
    tokens = torch.zeros(16, 1, 16)
    for group in range(4):
        tokens[4 * group : 4 * (group + 1), :, 4 * group : 4 * (group + 1)] = 3.0
    assert term(name, tokens, groups=4).item() == pytest.approx(0.25**0.5, abs=1e-3)


@pytest.mark.parametrize("name", NAMES)
def test_descent_empties_groups_in_most_tokens_and_zero_share_counts_it(name):
    method = build(name, 16, groups=4)
    random = torch.Generator().manual_seed(0)
    tokens = torch.randn(64, 2, 16, generator=random, requires_grad=True)
    optimizer = torch.optim.Adam([tokens], lr=0.02)
    zero_shares = []
    for _ in range(300):
        optimizer.zero_grad()
        method(batch(tokens, strength=1.0, prediction=torch.ones(())))[name].backward()
        optimizer.step()
        zero_shares.append(method.describe()["zero_share"])
    assert zero_shares[-1] > 0.5 > 2 * zero_shares[20]


@pytest.mark.parametrize("name", NAMES)
def test_lambda_is_the_share_of_the_prediction_loss_and_gives_it_no_gradient(name):
    method = build(name, 16, groups=4)
    tokens = torch.randn(5, 2, 16, generator=torch.Generator().manual_seed(0), requires_grad=True)
    prediction = torch.tensor(0.25, requires_grad=True)
    value = method(batch(tokens, strength=0.1, prediction=prediction))[name]
    value.backward()
    assert prediction.grad is None and tokens.grad is not None and tokens.grad.abs().sum() > 0
    assert 0 < value <= 0.1 * 0.25
