"""Runs of one kind: alike in all that decides their weights, but for lambda and the seed."""

from conftest import override

from pipeline.params import Params
from pipeline.pretrain.parallel.alike import kind


def kinds(tree: dict, *changes: dict[str, object]) -> list[str | None]:
    return [kind(Params.model_validate(override(tree, change))) for change in changes]


def test_runs_may_differ_in_lambda_seed_and_what_pretrain_does_not_track(small_tree):
    free = {"sparsity.lambda": 0.3, "pretrain.seed": 9}
    untracked = {"probe.bootstrap": 200, "interpret.bins": 4, "runtime.log_seconds": 1.0}
    first, second, third = kinds(small_tree, {}, free, untracked)
    assert first is not None and first == second == third


def test_runs_that_differ_in_another_param_or_in_their_data_are_of_another_kind(small_tree):
    changes = [
        {"pretrain.learning_rate": 0.001},
        {"sparsity.weight": 2.0},
        {"model.depth": 2},
        {"data.image_size": 48},
        {"data.seed": 1},  # they read one prepared set
    ]
    assert len(set(kinds(small_tree, {}, *changes))) == 1 + len(changes)


def test_where_mask_shapes_are_drawn_the_seed_is_part_of_the_kind(small_tree):
    for drawn in ({"masking.mode": "ijepa"}, {"masking.target_sizes": [[2, 2], [1, 2]]}):
        first, second = kinds(small_tree, drawn, drawn | {"pretrain.seed": 1})
        assert first is not None and second is not None and first != second
    first, second = kinds(
        small_tree, *({"masking.target_sizes": [[1, 2], [2, 1]], "pretrain.seed": s} for s in (0, 1))
    )
    assert first == second


def test_learned_groups_and_several_processes_train_alone(small_tree):
    learned = {"sparsity.assignment": "learned", "regularizer.name": "vicreg"}
    assert kinds(small_tree, learned, {"runtime.processes": 2}) == [None, None]
