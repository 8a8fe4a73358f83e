"""Groups: every feature in exactly one, equal sizes, and what belongs together is found."""

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.sparsity.groups import cluster_features, count_active, match_groups, split_groups


@settings(max_examples=40)
@given(groups=st.integers(1, 6), size=st.integers(1, 6), seed=st.integers(0, 1000))
def test_clusters_are_a_partition_in_equal_parts(groups, size, seed):
    dim = groups * size
    affinity = torch.rand(dim, dim, generator=torch.Generator().manual_seed(seed))
    order = cluster_features(affinity + affinity.T, groups)
    assert sorted(order.tolist()) == list(range(dim))
    matched = match_groups(order, torch.arange(dim), groups)
    assert {frozenset(row) for row in matched.view(groups, -1).tolist()} == {
        frozenset(row) for row in order.view(groups, -1).tolist()
    }


def test_planted_blocks_of_correlated_features_are_found():
    random = torch.Generator().manual_seed(0)
    planted = torch.randperm(24, generator=random).view(4, 6)
    factors = torch.randn(2000, 4, generator=random)
    features = torch.empty(2000, 24)
    for group, members in enumerate(planted):
        features[:, members] = factors[:, group : group + 1] + 0.5 * torch.randn(2000, 6, generator=random)
    order = cluster_features(torch.corrcoef(features.T).square(), 4)
    assert {frozenset(row) for row in order.view(4, 6).tolist()} == {
        frozenset(row) for row in planted.tolist()
    }


def test_matching_undoes_a_renumbering_of_groups():
    old = torch.randperm(12, generator=torch.Generator().manual_seed(1))
    renumbered = old.view(4, 3)[torch.tensor([2, 0, 3, 1])].flatten()
    assert torch.equal(match_groups(renumbered, old, 4), old)


def test_split_groups_lists_features_in_order():
    order = torch.tensor([3, 1, 0, 2])
    assert split_groups(torch.tensor([[10.0, 11, 12, 13]]), order, 2).tolist() == [[[13, 11], [10, 12]]]


def test_active_groups_are_those_above_a_tenth_of_the_mean():
    assert count_active(torch.ones(5, 8)) == 8
    energies = torch.zeros(4, 8)
    energies[:, :3] = 1.0
    assert count_active(energies) == 3
    assert count_active(torch.zeros(2, 4)) == 0
