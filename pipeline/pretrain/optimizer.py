"""AdamW, and which parameters have weight decay, which have none, and which have their own optimiser.

Modules say so themselves, by names relative to the module:

* `no_weight_decay()` (timm's name for it): parameters that are matrices in shape but not in meaning;
* `own_optimizer()`: parameters that the module updates after AdamW's step.
"""

from typing import Any, NamedTuple

import torch
from torch import nn

from pipeline.params import PretrainParams, SparsityParams

METHOD = "method."  # how names of the sparse module's parameters begin in SparseJepa


class LearnedParameters(NamedTuple):
    """The parameters that training moves, by full name, each kind in the order of the module."""

    decayed: dict[str, nn.Parameter]
    undecayed: dict[str, nn.Parameter]
    own_optimizer: dict[str, nn.Parameter]

    def adamw(self) -> dict[str, nn.Parameter]:
        """The parameters that AdamW updates. Their gradients are clipped."""
        return self.decayed | self.undecayed


def learned_parameters(module: nn.Module) -> LearnedParameters:
    """Sort the parameters of a module. Matrices have weight decay; vectors (biases, norms) and parameters
    that modules declare have none."""
    no_weight_decay = declared(module, "no_weight_decay")
    own_optimizer = declared(module, "own_optimizer")
    parameters = LearnedParameters({}, {}, {})
    for name, weight in module.named_parameters():
        if not weight.requires_grad:
            continue
        if name in own_optimizer:
            parameters.own_optimizer[name] = weight
        elif weight.ndim > 1 and name not in no_weight_decay:
            parameters.decayed[name] = weight
        else:
            parameters.undecayed[name] = weight
    return parameters


def declared(module: nn.Module, declaration: str) -> set[str]:
    """Full names of the parameters that `module` and those inside it name in their method `declaration`."""
    names = set()
    for path, child in module.named_modules():
        if hasattr(child, declaration):
            names |= {f"{path}.{name}" if path else name for name in getattr(child, declaration)()}
    return names


def is_clipped_alone(name: str, sparsity: SparsityParams) -> bool:
    """Whether a parameter of SparseJepa counts in a gradient norm of its own: the sparse module's, where
    sparsity.stop_gradient keeps it from the encoder. Else its gradients would shrink the encoder's steps."""
    return sparsity.stop_gradient and name.startswith(METHOD)


def parameter_groups(module: nn.Module, weight_decay: float) -> list[dict[str, Any]]:
    """AdamW's two groups: with weight decay, and without."""
    parameters = learned_parameters(module)
    return [
        {"params": list(parameters.decayed.values()), "weight_decay": weight_decay},
        {"params": list(parameters.undecayed.values()), "weight_decay": 0.0},
    ]


def build_adamw(groups: list[dict[str, Any]], pretrain: PretrainParams) -> torch.optim.AdamW:
    """AdamW over parameter groups; `TrainingStep` sets the learning rate before each step."""
    return torch.optim.AdamW(groups, lr=pretrain.learning_rate, betas=pretrain.betas, fused=True)
