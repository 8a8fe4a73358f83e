"""The registry of sparsity methods: `sparsity.method: NAME` is the class in pipeline/sparsity/NAME.py."""

import importlib

import torch

from pipeline.files import ParamsError
from pipeline.params import SparsityParams
from pipeline.sparsity.method import SparsityMethod

NO_METHOD = "none"  # I-JEPA alone


def build_method(sparsity: SparsityParams, dim: int, seed: int = 0) -> SparsityMethod | None:
    """The module of sparsity.method, its weights drawn from `seed`; None for `none`.

    Raises ParamsError if sparsity.groups does not divide dim, or if the method has no file.
    """
    if sparsity.method == NO_METHOD:
        return None
    method = find_method(sparsity.method)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return method(sparsity, dim)


def find_method(name: str) -> type[SparsityMethod]:
    """The one subclass of SparsityMethod that pipeline/sparsity/<name>.py defines.

    Raises ParamsError naming the file where it is missing, or defines none or several.
    """
    module_name, file = f"{__package__}.{name}", f"pipeline/sparsity/{name}.py"
    try:
        module = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        if error.name != module_name:
            raise
        raise ParamsError(f"sparsity.method: {name} needs a file {file}, which is not there") from None
    methods = [
        value
        for value in vars(module).values()
        if isinstance(value, type) and issubclass(value, SparsityMethod) and value.__module__ == module_name
    ]
    if len(methods) != 1:
        raise ParamsError(
            f"sparsity.method: {file} must define one subclass of SparsityMethod, it defines {len(methods)}"
        )
    return methods[0]
