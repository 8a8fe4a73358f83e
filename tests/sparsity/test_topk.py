"""Group top-k: hard selection forward, the identity backward."""

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.sparsity.topk import keep_strongest


@settings(max_examples=30)
@given(groups=st.integers(1, 8), size=st.integers(1, 4), seed=st.integers(0, 1000), data=st.data())
def test_exactly_the_k_groups_of_largest_norm_remain(groups, size, seed, data):
    k = data.draw(st.integers(1, groups))
    codes = torch.randn(6, groups, size, generator=torch.Generator().manual_seed(seed))
    kept = keep_strongest(codes, k)
    for before, after in zip(codes, kept, strict=True):
        used = (after != 0).any(1)
        assert used.sum() == k
        assert torch.equal(after[used], before[used])
        if k < groups:
            assert before[used].norm(dim=1).min() >= before[~used].norm(dim=1).max()


def test_all_groups_kept_is_the_identity_and_the_gradient_reaches_every_group():
    codes = torch.randn(3, 5, 2, generator=torch.Generator().manual_seed(0), requires_grad=True)
    assert torch.equal(keep_strongest(codes, 5), codes)
    weights = torch.randn(3, 5, 2)
    (keep_strongest(codes, 1) * weights).sum().backward()
    assert codes.grad is not None and torch.equal(codes.grad, weights)
