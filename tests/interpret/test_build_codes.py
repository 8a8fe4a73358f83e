"""Claims about the codes of a run: whose features they are, and in which groups."""

import numpy as np
import pytest
import torch

from pipeline.interpret.build_codes import build_codes, feature_groups
from pipeline.jepa.independence import group_variance_covariance
from pipeline.params import SparsityParams
from pipeline.sparsity.build import build_method
from pipeline.views import ENCODER, GROUPS, RANDOM_INIT, SAE, TWIN
from tests.stages.tiny_run import tiny_params

DIM, NUM_GROUPS = 16, 4
PARAMS = tiny_params().interpret


def views(images: int, seed: int) -> dict[str, np.ndarray]:
    random = np.random.default_rng(seed)
    features = {name: random.standard_normal((images, DIM)) for name in (ENCODER, TWIN, RANDOM_INIT, SAE)}
    return features | {GROUPS: random.random((images, NUM_GROUPS))}


def sparsity(**changes: object) -> SparsityParams:
    plain = {"name": "vicreg"}  # independent groups are contiguous
    return tiny_params(sparsity={"groups": NUM_GROUPS, **changes}, regularizer=plain).sparsity


def test_the_twin_is_judged_in_the_groups_that_the_run_has_learned():
    method = build_method(sparsity(method="group_lasso", assignment="learned"), DIM, 0)
    assert method is not None
    method.regroup(torch.randperm(DIM, generator=torch.Generator().manual_seed(0)))
    train, test = views(60, 0), views(40, 1)
    codes = build_codes(train, test, method, NUM_GROUPS, PARAMS)
    learned = method.order.view(NUM_GROUPS, -1).numpy()
    for name in (ENCODER, TWIN, RANDOM_INIT):
        assert np.array_equal(codes[name].partition, learned)
        assert np.array_equal(codes[name].test, test[name])


@pytest.mark.parametrize("without", [TWIN, RANDOM_INIT])
def test_no_other_code_changes_where_one_is_absent(without: str):
    train, test = views(60, 0), views(40, 1)
    every = build_codes(train, test, None, NUM_GROUPS, PARAMS)
    del train[without], test[without]
    fewer = build_codes(train, test, None, NUM_GROUPS, PARAMS)
    assert set(every) - set(fewer) == {without}
    for name, code in fewer.items():
        assert np.array_equal(code.train, every[name].train)
        assert np.array_equal(code.partition, every[name].partition)


def test_without_a_method_the_groups_are_those_that_independent_groups_makes():
    partition = feature_groups(None, DIM, NUM_GROUPS)
    noise = torch.randn(100, NUM_GROUPS, generator=torch.Generator().manual_seed(0))
    uncorrelated = 30 * torch.linalg.qr(noise - noise.mean(0))[0]  # standard deviation 3; the term asks for 1
    within = torch.empty(100, DIM)
    for group, members in enumerate(partition):
        within[:, members] = uncorrelated[:, [group]]
    assert group_variance_covariance(within, NUM_GROUPS) == pytest.approx(0, abs=1e-6)
    across = within[:, torch.arange(DIM).view(NUM_GROUPS, -1).T.flatten()]
    assert group_variance_covariance(across, NUM_GROUPS) > 1
