"""The group lasso's limits: groups of one are l1, one group is the length of the token."""

import pytest
import torch

from tests.sparsity.small_penalty import term

TOKENS = torch.randn(7, 2, 12, generator=torch.Generator().manual_seed(0))


def test_groups_of_one_feature_are_the_l1_norm():
    torch.testing.assert_close(
        term("group_lasso", TOKENS, groups=12), term("l1", TOKENS, groups=12), atol=1e-4, rtol=0
    )


def test_one_group_is_the_mean_length_over_the_root_mean_square_length():
    lengths = TOKENS.norm(dim=2)
    expected = (lengths.mean() / lengths.square().mean().sqrt()).item()
    assert term("group_lasso", TOKENS, groups=1).item() == pytest.approx(expected, rel=1e-4)
