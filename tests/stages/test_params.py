"""Stage `params`: what it writes never changes, and a mistake leaves nothing."""

import os
import subprocess
import sys

import pytest
import yaml
from conftest import REPOSITORY, default_tree, override

from pipeline.layout import CHECKED_PARAMS
from pipeline.params import validate
from stages import params as stage


def test_what_is_written_is_the_same_for_all_valid_params(tmp_path):
    written = set()
    for changes in ({}, {"pretrain.steps": 7}, {"runtime.threads": 1, "sparsity.method": "none"}):
        stage.main(validate(override(default_tree(), changes)), tmp_path)
        written.add((tmp_path / CHECKED_PARAMS).read_bytes())
    assert len(written) == 1


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"sparsity.lambda": "abc"}, "error: sparsity.lambda: must be a valid number, got 'abc'\n"),
        (
            {"model.predictor.embed_dim": 65536, "model.predictor.depth": 10_000},
            "error: model.predictor.embed_dim: needs 8.25 PB of memory or more, this machine has ",
        ),
    ],
)
def test_a_mistake_of_any_section_is_named_and_nothing_is_written(tmp_path, changes, message):
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(override(default_tree(), changes)))
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "stages", "params"],
        cwd=tmp_path,
        env={key: value for key, value in os.environ.items() if key != "PREFECT_API_URL"}
        | {"PYTHONPATH": str(REPOSITORY)},
        capture_output=True,
        text=True,
    )
    said = [line for line in done.stderr.splitlines() if not line.startswith("import time:")]
    assert done.returncode == 2 and len(said) == 1 and f"{said[0]}\n".startswith(message)
    assert [path.name for path in tmp_path.iterdir()] == ["params.yaml"]
    imported = {line.split("|")[-1].strip() for line in done.stderr.splitlines()}
    assert not imported & {"torch", "timm", "numpy", "pandas", "prefect", "dvc"}  # it starts at once
