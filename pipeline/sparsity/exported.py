"""The sparse module beside an exported encoder, read back."""

from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import load_file

from pipeline.files import InputError, read_json
from pipeline.layout import CONFIG, SPARSITY_WEIGHTS
from pipeline.params import SparsityParams
from pipeline.sparsity.build import build_method
from pipeline.sparsity.method import SparsityMethod


def load_method(folder: Path) -> SparsityMethod | None:
    """The sparse module of an exported encoder, in eval mode; None where the encoder was trained without.

    `folder` holds the encoder's config.json, which says how to build the module, and the module's weights.
    Raises InputError where a file is missing or broken.
    """
    config = read_json(folder / CONFIG)
    if "sparsity" not in config:
        return None
    method = build_method(SparsityParams.model_validate(config["sparsity"]), config["num_features"])
    if method is None:
        return None
    path = folder / SPARSITY_WEIGHTS
    try:
        method.load_state_dict(load_file(path))
    except FileNotFoundError:
        raise InputError(f"{path}: not found; run `dvc repro pretrain`") from None
    except (SafetensorError, RuntimeError) as error:
        raise InputError(f"{path}: not the weights of {folder / CONFIG} ({error})") from None
    return method.eval().requires_grad_(False)
