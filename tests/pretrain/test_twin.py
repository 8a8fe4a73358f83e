"""The dense twin differs from its run in sparsity alone, and depends on nothing that is swept of sparsity."""

import torch
from conftest import override

from pipeline.graph import read_graph
from pipeline.params import Params
from pipeline.pretrain.fingerprint import run_fingerprint
from pipeline.pretrain.twin import dense_twin
from tests.pretrain.small_run import IMAGES, build_trainer

INDEPENDENT = {"regularizer.name": "independent_groups", "sparsity.groups": 8}


def fingerprint(tree: dict, **changes: object) -> str:
    twin = dense_twin(Params.model_validate(override(tree, changes)))
    return run_fingerprint(twin, "images", stage="twin")


def test_runs_that_differ_in_sparsity_share_a_twin(small_tree):
    swept = {"sparsity.lambda": 0.7, "sparsity.latent_dim": 64, "sparsity.stop_gradient": True}
    name = fingerprint(small_tree)
    assert fingerprint(small_tree, **swept) == fingerprint(small_tree, **{"sparsity.groups": 8}) == name
    independent = fingerprint(small_tree, **INDEPENDENT)
    assert fingerprint(small_tree, **INDEPENDENT | {"regularizer.dependence": 9.0}) == independent
    assert fingerprint(small_tree, **{"regularizer.name": "vicreg"}) == independent
    assert fingerprint(small_tree, **{"pretrain.seed": 5}) != name
    assert not any(entry.startswith("sparsity") for entry in read_graph()["twin"]["params"])


def test_the_twin_sees_the_same_images_masks_and_first_weights(small_tree):
    """So that at the first step, before sparsity has acted, both predict alike to the bit."""
    params = Params.model_validate(override(small_tree, INDEPENDENT))
    images = torch.from_numpy(IMAGES[:32])
    run, twin = build_trainer(params), build_trainer(dense_twin(params))
    mine, other = next(run.micro_batches(images, 0)), next(twin.micro_batches(images, 0))
    assert torch.equal(mine.images, other.images)
    assert all(map(torch.equal, mine.masks, other.masks))
    terms, twin_terms = run.train_step(images, 0), twin.train_step(images, 0)
    assert torch.equal(terms["prediction"], twin_terms["prediction"])
    assert twin_terms.keys() == {"prediction", "regularizer", "grad_norm"}


def test_the_twin_of_a_dense_run_with_a_plain_regulariser_is_that_run(small_tree):
    params = Params.model_validate(
        override(small_tree, {"sparsity.method": "none", "regularizer.name": "vicreg"})
    )
    assert dense_twin(params) == params
