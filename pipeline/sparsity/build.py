"""From sparsity.method to its module."""

import torch

from pipeline.params import SparsityParams
from pipeline.sparsity.method import SparsityMethod
from pipeline.sparsity.oi_vae import OiVae
from pipeline.sparsity.penalties import Penalty
from pipeline.sparsity.rdmreg import Rdmreg
from pipeline.sparsity.topk import GroupTopK


def build_method(sparsity: SparsityParams, dim: int, seed: int = 0) -> SparsityMethod | None:
    """The module of sparsity.method, its weights drawn from `seed`; None for `none`.

    Raises ParamsError where sparsity.groups does not divide dim.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        match sparsity.method:
            case "none":
                return None
            case "oi_vae":
                return OiVae(sparsity, dim)
            case "rdmreg":
                return Rdmreg(sparsity, dim)
            case "topk":
                return GroupTopK(sparsity, dim)
            case "group_lasso" | "l1":
                return Penalty(sparsity, dim, sparsity.method)
