"""The group lasso's limits: groups of one are l1, one group is l2."""

import torch

from pipeline.sparsity.group_lasso import group_lasso
from pipeline.sparsity.l1 import l1


def test_groups_of_one_feature_are_the_l1_norm():
    features = torch.randn(7, 12, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(group_lasso(features[..., None]), l1(features), atol=1e-4, rtol=0)


def test_one_group_is_the_l2_norm():
    features = torch.randn(7, 12, generator=torch.Generator().manual_seed(0))
    expected = features.norm(dim=1).mean() / 12**0.5
    torch.testing.assert_close(group_lasso(features[:, None, :]), expected)
