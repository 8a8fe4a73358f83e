"""Where everything lies, relative to the project folder; dvc.yaml names the same places."""

from pathlib import Path

CHECKED_PARAMS = Path("artifacts/params.txt")
DATA = Path("artifacts/data")  # / set: pipeline.data.store
ENCODER = Path("artifacts/encoder")
TWIN = Path("artifacts/twin")  # the same run without sparsity; an empty folder where `twin` is false
EMBEDDINGS = Path("artifacts/embeddings")  # / set / split_file(split)
METRICS = Path("reports/metrics")
PLOTS = Path("reports/plots")
FIGURES = Path("reports/figures")
PAGE = Path("reports/index.html")
README = Path("reports/README.md")
SWEEPS = Path("reports/sweeps")

CONFIG = "config.json"  # in ENCODER: timm's, with the sparsity section
CARD = "README.md"  # in ENCODER: the model card
TRAINED_WEIGHTS = "model.safetensors"  # the name that timm and model hubs look for
INITIAL_WEIGHTS = "parts/initial.safetensors"  # in a folder of their own: timm looks at the top alone
SPARSITY_WEIGHTS = "parts/sparsity.safetensors"
CORRUPTED = "corrupted_"
META = "meta.json"  # in EMBEDDINGS and in each set of DATA


def metrics_file(stage: str) -> Path:
    """What a stage measured."""
    return METRICS / f"{stage}.json"


def table_file(name: str) -> Path:
    """Rows behind a figure."""
    return PLOTS / f"{name}.csv"


HISTORIES = {"pretrain": table_file("training"), "twin": table_file("twin")}  # stage -> its history


def features_file(split: str) -> str:
    """In EMBEDDINGS / set: the views of every image."""
    return f"{split}.npz"


def corrupted_features_file(corruption: str) -> str:
    """In EMBEDDINGS / set: views of some test images under a corruption."""
    return f"{CORRUPTED}{corruption}.npz"


def patch_features_file(split: str) -> str:
    """In EMBEDDINGS / set: the views of every patch of some images."""
    return f"tokens_{split}.npz"
