"""Claims about what a difference is ascribed to: the parts that the twin lacks, and no more."""

import pytest
from conftest import override

from pipeline.params import Params
from pipeline.report.twin.section import control, subject


def changed(tree, method: str, regularizer: str = "vicreg", lambda_: float = 0.04) -> Params:
    changes = {"sparsity.method": method, "regularizer.name": regularizer, "sparsity.lambda": lambda_}
    return Params.model_validate(override(tree, changes))


@pytest.mark.parametrize(
    ("method", "regularizer", "words"),
    [
        ("oi_vae", "independent_groups", "Independent groups and the oi-VAE"),
        ("none", "independent_groups", "Independent groups"),
        ("oi_vae", "vicreg", "The oi-VAE"),
        ("group_lasso", "vicreg", "Group lasso"),
        ("rdmreg", "vicreg", "RDMReg"),
        ("none", "vicreg", None),
    ],
)
def test_the_subject_names_each_part_that_the_twin_lacks(small_tree, method, regularizer, words):
    assert subject(changed(small_tree, method, regularizer)) == words


def test_a_run_with_zeros_names_the_run_that_tells_what_zeros_add(small_tree):
    assert "sparsity.lambda=0" in control(changed(small_tree, "oi_vae"))
    assert control(changed(small_tree, "oi_vae", lambda_=0)) == ""  # it is that run
    assert control(changed(small_tree, "group_lasso")) == ""  # at 0 it is the twin
