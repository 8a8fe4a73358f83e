"""The two penalties on tokens, built and called."""

import torch
from conftest import default_tree, override

from pipeline.params import SparsityParams
from pipeline.sparsity.batch import SparsityBatch, Strengths
from pipeline.sparsity.build import build_method
from pipeline.sparsity.penalty import Penalty


def build(name: str, dim: int, groups: int) -> Penalty:
    tree = override(default_tree()["sparsity"], {"method": name, "groups": groups})
    method = build_method(SparsityParams.model_validate(tree), dim)
    assert isinstance(method, Penalty)
    return method


def batch(tokens: torch.Tensor, strength: float, prediction: torch.Tensor) -> SparsityBatch:
    strengths = Strengths(weight=1.0, beta=0.0, lambda_=strength)
    return SparsityBatch(tokens, torch.zeros_like(tokens), None, None, strengths, prediction)


def term(name: str, tokens: torch.Tensor, groups: int) -> torch.Tensor:
    """The penalty alone: the term at lambda 1 and a prediction loss of 1."""
    method = build(name, tokens.shape[2], groups)
    return method(batch(tokens, strength=1.0, prediction=torch.ones(())))[name]
