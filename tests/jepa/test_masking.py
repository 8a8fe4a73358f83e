"""Masking: every patch is reached with the right probability, nothing overlaps, equal seeds are equal."""

import pytest
import torch
from conftest import default_tree, feasible_masks, override
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.files import ParamsError
from pipeline.jepa import masking
from pipeline.params import MaskingParams


def params(**changes: object) -> MaskingParams:
    return MaskingParams.model_validate(override(default_tree()["masking"], changes))


@settings(max_examples=60)
@given(feasible_masks(grids=[2, 3, 4, 6, 8]), st.integers(0, 10_000))
def test_multiblock_is_disjoint_rectangular_and_of_fixed_size(drawn, seed):
    grid, changes = drawn
    ((rows, columns),) = changes["target_sizes"]
    num_targets, num_context = changes["num_targets"], changes["num_context"]
    chosen = params(**changes)
    masks = masking.sample(chosen, grid, batch_size=16, seed=seed, step=3)
    assert masks.context.shape == (16, num_context)
    assert masks.targets.shape == (16, num_targets, rows * columns)
    for context, targets in zip(masks.context.tolist(), masks.targets.tolist(), strict=True):
        assert len(set(context)) == num_context
        assert len({tuple(block) for block in targets}) == num_targets
        for block in targets:
            assert not set(context) & set(block)
            assert {p // grid - block[0] // grid for p in block} == set(range(rows))
            assert {p % grid - block[0] % grid for p in block} == set(range(columns))
        assert min(context) >= 0 and max(context) < grid * grid


def test_every_patch_is_a_target_with_the_probability_of_a_uniform_corner():
    """P(patch in a block) is the product over axes of the share of corners that cover it."""
    grid, rows, columns = 8, 3, 2
    chosen = params(target_sizes=[[rows, columns]], num_targets=2)
    counts = torch.zeros(grid * grid)
    for step in range(50):
        targets = masking.sample(chosen, grid, 1000, seed=0, step=step).targets
        counts += torch.bincount(targets.flatten(), minlength=grid * grid)

    def coverage(length: int) -> torch.Tensor:
        corners = torch.arange(grid - length + 1)
        patches = torch.arange(grid)
        covers = (patches[:, None] >= corners) & (patches[:, None] < corners + length)
        return covers.float().mean(1)

    expected = torch.outer(coverage(rows), coverage(columns)).flatten()
    assert torch.allclose(counts / 100_000, expected, atol=0.006)


def test_every_patch_that_targets_leave_is_equally_often_context():
    chosen = params(target_sizes=[[2, 2]], num_targets=2, num_context=8)
    free, context = torch.zeros(16), torch.zeros(16)
    for step in range(50):
        masks = masking.sample(chosen, 4, 1000, seed=1, step=step)
        hidden = torch.zeros(1000, 16).scatter_(1, masks.targets.flatten(1), 1)
        # The chance that a free patch is drawn depends on how many are free in its image.
        free += ((1 - hidden) * 8 / (1 - hidden).sum(1, keepdim=True)).sum(0)
        context += torch.bincount(masks.context.flatten(), minlength=16)
    assert torch.allclose(context / free, torch.ones(16), atol=0.02)


@pytest.mark.parametrize("mode", ["multiblock", "ijepa"])
def test_masks_are_a_function_of_seed_and_step(mode):
    chosen = params(mode=mode)
    torch.manual_seed(0)
    first = masking.sample(chosen, 8, 8, seed=0, step=5)
    torch.manual_seed(1)
    again = masking.sample(chosen, 8, 8, seed=0, step=5)
    other_step = masking.sample(chosen, 8, 8, seed=0, step=6)
    other_seed = masking.sample(chosen, 8, 8, seed=1, step=5)
    assert torch.equal(first.targets, again.targets) and torch.equal(first.context, again.context)
    for other in (other_step, other_seed):
        same_size = other.targets.shape == first.targets.shape
        assert not (same_size and torch.equal(first.targets, other.targets))


def test_multiblock_draws_all_its_block_sizes():
    chosen = params(target_sizes=[[1, 2], [2, 1], [2, 2]])
    sizes = {masking.sample(chosen, 4, 2, seed=0, step=step).targets.shape[2] for step in range(30)}
    assert sizes == {2, 4}


def test_ijepa_mode_has_the_official_faults():
    """Facts of method notes: the last row and column are never a target, context shrinks with the batch."""
    chosen = params(
        mode="ijepa", num_targets=4, target_scale=[0.15, 0.2], target_ratio=[0.75, 1.5], min_keep=4
    )
    targets = torch.cat([masking.sample(chosen, 8, 64, 0, step).targets.flatten() for step in range(40)])
    reached = torch.bincount(targets, minlength=64).reshape(8, 8)
    assert (reached[-1] == 0).all() and (reached[:, -1] == 0).all() and (reached[:7, :7] > 0).all()

    def mean_context(batch_size: int) -> float:
        sizes = [masking.sample(chosen, 8, batch_size, 0, step).context.shape[1] for step in range(40)]
        return sum(sizes) / len(sizes)

    alone, small, large = mean_context(1), mean_context(64), mean_context(512)
    assert alone > 1.5 * small > 1.5 * large
    lower_rows = torch.cat([masking.sample(chosen, 8, 256, 0, step).context.flatten() for step in range(40)])
    assert (lower_rows >= 48).float().mean() < 0.02


def test_ijepa_mode_says_where_the_official_code_would_search_for_ever():
    with pytest.raises(ParamsError, match=r"^masking\.min_keep: "):
        masking.sample(params(mode="ijepa", target_scale=[0.1, 0.15], min_keep=12), 8, 4, seed=0, step=0)
