"""Which parameters decay, as the modules declare it."""

import torch
from conftest import override
from torch import nn

from pipeline.params import Params
from pipeline.pretrain.optimizer import declared, learned_parameters, parameter_groups
from pipeline.pretrain.trainer import build_model


def test_weight_decay_is_for_matrices_only(small_tree):
    model = build_model(Params.model_validate(small_tree))
    decayed, undecayed = parameter_groups(model, 0.05)
    assert decayed["weight_decay"] == 0.05 and undecayed["weight_decay"] == 0
    assert all(weight.ndim >= 2 for weight in decayed["params"])
    names = {id(weight): name for name, weight in model.named_parameters()}
    matrices = {names[id(weight)] for weight in undecayed["params"] if weight.ndim >= 2}
    assert matrices == {"jepa.predictor.mask_token", "method.c"}


def test_every_learned_parameter_is_in_one_place_and_w_has_an_optimiser_of_its_own(small_tree):
    for method, names_of_w in (("oi_vae", ["method.W"]), ("topk", []), ("none", [])):
        model = build_model(Params.model_validate(override(small_tree, {"sparsity.method": method})))
        learned = learned_parameters(model)
        assert list(learned.own_optimizer) == names_of_w
        names = [name for kind in learned for name in kind]
        expected = {name for name, weight in model.named_parameters() if weight.requires_grad}
        assert len(names) == len(set(names)) and set(names) == expected


def test_declarations_count_wherever_the_module_stands():
    class Declaring(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.token = nn.Parameter(torch.zeros(1, 1, 4))

        def no_weight_decay(self) -> set[str]:
            return {"token"}

    assert declared(Declaring(), "no_weight_decay") == {"token"}
    nested = nn.Sequential(nn.Linear(2, 2), nn.Sequential(Declaring()))
    assert declared(nested, "no_weight_decay") == {"1.0.token"}
    assert list(learned_parameters(nested).undecayed) == ["0.bias", "1.0.token"]
