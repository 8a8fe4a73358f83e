"""The registry: every name that params allow is a file with one method, and a file is all that one needs."""

import importlib
import sys

import pytest
import torch
from conftest import default_tree, override

import pipeline.sparsity
from pipeline.files import ParamsError
from pipeline.params import SparsityParams
from pipeline.params.registry import SPARSITY_METHODS
from pipeline.sparsity.batch import SparsityBatch, Strengths
from pipeline.sparsity.build import NO_METHOD, build_method, find_method
from pipeline.sparsity.method import SparsityMethod


def sparsity(name: str) -> SparsityParams:
    tree = override(default_tree()["sparsity"], {"method": name, "groups": 4, "latent_dim": 8})
    return SparsityParams.model_validate(tree)


@pytest.mark.parametrize("name", SPARSITY_METHODS)
def test_every_name_of_params_builds_and_gives_terms(name):
    method = build_method(sparsity(name), 16, seed=1)
    if name == NO_METHOD:
        assert method is None
        return
    assert isinstance(method, SparsityMethod) and type(method).__module__ == f"pipeline.sparsity.{name}"
    noise, directions = method.draw(6, 2, torch.Generator().manual_seed(0))
    tokens = torch.randn(6, 2, 16, generator=torch.Generator().manual_seed(0), requires_grad=True)
    strengths = Strengths(1.0, 1.0, 0.1)
    terms = method(SparsityBatch(tokens, tokens.detach(), noise, directions, strengths, torch.ones(())))
    assert terms and all(term.isfinite() and term.requires_grad for term in terms.values())
    assert {"zero_share", "active_groups"} <= method.describe().keys()


@pytest.mark.parametrize("name", [name for name in SPARSITY_METHODS if name != NO_METHOD])
def test_weights_are_a_function_of_the_seed_alone(name):
    torch.manual_seed(7)
    first, state = build_method(sparsity(name), 16, seed=3), torch.get_rng_state()
    again = build_method(sparsity(name), 16, seed=3)
    assert first is not None and again is not None and torch.equal(state, torch.get_rng_state())
    assert all(torch.equal(value, again.state_dict()[key]) for key, value in first.state_dict().items())


def test_a_new_file_with_one_class_is_found(tmp_path, monkeypatch):
    (tmp_path / "halves.py").write_text(
        "from pipeline.sparsity.method import SparsityMethod\n"
        "from pipeline.sparsity.penalty import Penalty\n\n\n"
        "class Halves(Penalty):\n"
        "    term = 'halves'\n"
    )
    monkeypatch.setattr(pipeline.sparsity, "__path__", [*pipeline.sparsity.__path__, str(tmp_path)])
    importlib.invalidate_caches()
    try:
        assert find_method("halves").__name__ == "Halves"
    finally:
        sys.modules.pop("pipeline.sparsity.halves", None)


def test_a_method_without_a_file_or_a_file_without_a_method_is_named():
    with pytest.raises(
        ParamsError, match=r"^sparsity\.method: ghost needs a file pipeline/sparsity/ghost\.py"
    ):
        find_method("ghost")
    with pytest.raises(ParamsError, match=r"groups\.py must define one subclass .* it defines 0"):
        find_method("groups")


def test_groups_that_do_not_divide_the_width_of_a_named_encoder_are_refused():
    with pytest.raises(ParamsError, match=r"^sparsity\.groups: must divide the encoder's embed_dim \(18\)"):
        build_method(sparsity("oi_vae"), 18)
