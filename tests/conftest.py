"""One torch thread per worker, shapes of public signatures checked, and a small pipeline to run stages on."""

import copy
import os
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from hypothesis import settings
from hypothesis import strategies as st
from jaxtyping import install_import_hook

install_import_hook(
    [
        f"pipeline.{room}"
        for room in ("data", "jepa", "sparsity", "measure", "pretrain", "embed", "probe", "interpret")
    ],
    "beartype.beartype",
)
torch.set_num_threads(1)
settings.register_profile("fixed", derandomize=True, deadline=None)
settings.load_profile("fixed")

REPOSITORY = Path(__file__).parent.parent
SMALL: dict[str, Any] = {
    "data.scenes.num_train": 600,
    "data.scenes.num_test": 200,
    "model.embed_dim": 32,
    "model.depth": 1,
    "model.num_heads": 2,
    "model.predictor.embed_dim": 16,
    "model.predictor.depth": 1,
    "model.predictor.num_heads": 2,
    "sparsity.groups": 8,
    "sparsity.latent_dim": 16,
    "pretrain.steps": 6,
    "pretrain.batch_size": 32,
    "pretrain.history_every": 2,
    "pretrain.monitor_every": 3,
    "pretrain.monitor_images": 200,
    "probe.bootstrap": 100,
    "probe.l2": [1e-4, 1e-2, 1.0],
    "probe.low_shot.draws": 2,
    "interpret.subsamples": 5,
    "embed.sae.steps": 20,
    "runtime.device": "cpu",
    "runtime.precision": "fp32",
    "runtime.threads": 1,
    "runtime.workers": 1,
}


def override(tree: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    """A copy of a params tree with some dotted paths changed; every path must exist already."""
    changed = copy.deepcopy(tree)
    for path, value in changes.items():
        *sections, key = path.split(".")
        node = changed
        for section in sections:
            node = node[section]
        assert key in node, path
        node[key] = value
    return changed


def start_stage(stage: str, root: Path, tree: dict[str, Any], **options: Any) -> "subprocess.Popen[str]":
    """A stage at work in the folder `root`, with these params."""
    (root / "params.yaml").write_text(yaml.safe_dump(tree))
    return subprocess.Popen(
        [sys.executable, "-m", f"stages.{stage}"],
        cwd=root,
        env=os.environ | {"PYTHONPATH": str(REPOSITORY)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        **options,
    )


@st.composite
def feasible_masks(draw: st.DrawFn, grids: list[int]) -> tuple[int, dict[str, Any]]:
    """A grid, and blocks that fit in it and leave enough patches for the context, up to the last one."""
    grid = draw(st.sampled_from(grids))
    rows = draw(st.integers(1, grid))
    columns = draw(st.integers(1, grid if rows < grid else grid - 1))
    places = (grid - rows + 1) * (grid - columns + 1)
    num_targets = draw(st.integers(1, min(places, (grid * grid - 1) // (rows * columns))))
    num_context = draw(st.integers(1, grid * grid - num_targets * rows * columns))
    sizes = [[rows, columns]]
    return grid, {"target_sizes": sizes, "num_targets": num_targets, "num_context": num_context}


@cache
def _params() -> dict[str, Any]:
    return yaml.safe_load((REPOSITORY / "params.yaml").read_text())


def default_tree() -> dict[str, Any]:
    """What params.yaml holds, for the caller to change."""
    return copy.deepcopy(_params())


@pytest.fixture
def small_tree() -> dict[str, Any]:
    """params.yaml with sizes that train in a second."""
    return override(default_tree(), SMALL)


@pytest.fixture(scope="session")
def finished_run(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A small run that the stages wrote (FinishedRun), one for all tests: copy it before you change it."""
    from tests.finished_run import finish  # it needs this file's SMALL

    return finish(tmp_path_factory.mktemp("finished"))


@pytest.fixture(scope="session")
def inputs(finished_run: Any) -> Any:
    """What the report of that run is made of (pipeline.report.inputs.Inputs)."""
    from pipeline.report.inputs import read_inputs

    return read_inputs(finished_run.params, finished_run.root)
