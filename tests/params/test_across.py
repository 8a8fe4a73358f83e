"""Checks between sections: they need valid sections, and what they accept can be run."""

import pytest
from conftest import default_tree, feasible_masks, override
from hypothesis import given, settings

from pipeline.files import ParamsError
from pipeline.jepa import masking
from pipeline.params import validate

TREE = default_tree()
CONTRADICTIONS = [
    ({"sparsity.groups": 24}, "sparsity.groups: must divide model.embed_dim (128), got 24"),
    (
        {"sparsity.groups": 24, "sparsity.method": "none", "regularizer.name": "independent_groups"},
        "sparsity.groups: must divide model.embed_dim (128), got 24",
    ),
    (
        {"sparsity.assignment": "learned", "regularizer.name": "independent_groups"},
        "sparsity.assignment: must be contiguous where regularizer.name is independent_groups, "
        "which makes the groups itself",
    ),
    ({"model.patch_size": 7}, "model.patch_size: must divide data.image_size (32), got 7"),
    ({"model.patch_size": 32}, "model.patch_size: must leave at least 2x2 patches of 32 pixels, got 32"),
    (
        {"masking.num_context": 9},
        "masking.num_context: 3 targets of 2x2 leave 4 of 16 patches free, got 9",
    ),
    (
        {"masking.target_sizes": [[5, 1]]},
        "masking.target_sizes: a block of 5x1 patches does not fit in the 4x4 grid",
    ),
    (
        {"masking.num_targets": 10, "masking.num_context": 1},
        "masking.num_targets: a block of 2x2 has 9 places in the 4x4 grid, got 10\n"
        "masking.num_context: 10 targets of 2x2 leave 0 of 16 patches free, got 1",
    ),
    ({"embed.sets": ["scenes:/x", "clevr"]}, "embed.sets.0: scenes are generated, leave out /x"),
    ({"embed.sets": ["a:/x", "clevr", "folder"]}, "embed.sets.1: clevr needs a path, clevr:PATH\n"
     "embed.sets.2: folder needs a path, folder:PATH"),
    (
        {"embed.sets": ["folder:/x"], "data.name": "folder", "data.root": "/y"},
        "embed.sets.0: folder is data.name; give /x another name",
    ),
]  # fmt: skip


def message_of(changes: dict[str, object]) -> str:
    with pytest.raises(ParamsError) as caught:
        validate(override(TREE, changes))
    return str(caught.value)


@pytest.mark.parametrize(("changes", "message"), CONTRADICTIONS)
def test_a_contradiction_names_the_param_to_change(changes, message):
    assert message_of(changes) == message


def test_contradictions_are_reported_beside_mistakes_in_other_sections():
    changes = {"model.patch_size": 7, "pretrain.steps": 0, "sparsity.groups": 24, "probe.l2": []}
    assert [line.split(": ")[0] for line in message_of(changes).splitlines()] == [
        "model.patch_size",
        "sparsity.groups",
        "pretrain.steps",
        "probe.l2",
    ]


def test_a_section_with_a_mistake_is_not_compared_with_others():
    assert message_of({"model.patch_size": 7, "model.depth": 0, "sparsity.groups": 24}).splitlines() == [
        "model.depth: must be greater than or equal to 1, got 0"
    ]


def test_the_set_that_is_trained_on_may_be_named_to_embed_too():
    tree = override(TREE, {"data.name": "clevr", "data.root": "/x", "embed.sets": ["clevr"]})
    assert validate(tree).embed.sets == ("clevr",)


@pytest.mark.parametrize(
    "changes",
    [{"sparsity.method": "none", "regularizer.name": "vicreg"}, {"model.name": "vit_tiny_patch16_224"}],
)
def test_groups_matter_only_where_there_are_groups_of_a_known_width(changes):
    assert validate(override(TREE, {"sparsity.groups": 24} | changes)).sparsity.groups == 24


def test_a_model_that_timm_does_not_have_is_named_before_anything_runs():
    said = message_of({"model.name": "vit_tiny_patch16_22"})
    assert said.startswith(
        "model.name: timm has no model 'vit_tiny_patch16_22'; did you mean vit_tiny_patch16_224"
    )


def test_a_folder_below_home_is_found(monkeypatch):
    monkeypatch.setenv("HOME", "/home/someone")
    params = validate(override(TREE, {"data.name": "folder", "data.root": "~/images"}))
    assert str(params.data.root) == "/home/someone/images"


def test_only_multiblock_has_blocks_of_a_size_that_is_given():
    changes = {"masking.mode": "ijepa", "masking.target_sizes": [[9, 9]]}
    assert validate(override(TREE, changes)).masking.mode == "ijepa"


@settings(max_examples=60)
@given(feasible_masks(grids=[2, 4, 8]))
def test_masks_that_fit_pass_the_check_and_can_be_drawn(drawn):
    grid, masks = drawn
    changes = {f"masking.{key}": value for key, value in masks.items()} | {"model.patch_size": 32 // grid}
    params = validate(override(TREE, changes))
    sampled = masking.sample(params.masking, grid, 4, seed=0, step=0)
    assert sampled.context.shape == (4, params.masking.num_context)
