"""Runs trained in one process, as a sweep starts it; each one's own stage then only exports."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from conftest import REPOSITORY, override

from pipeline.params import Params
from pipeline.pretrain.trainer import Trainer
from stages import prepare, pretrain


def together(root: Path, *trees: dict[str, Any]) -> "subprocess.CompletedProcess[str]":
    files = [f"{at}.yaml" for at in range(len(trees))]
    for file, tree in zip(files, trees, strict=True):
        (root / file).write_text(yaml.safe_dump(tree))
    return subprocess.run(
        [sys.executable, "-m", "stages.pretrain_together", *files],
        cwd=root,
        env=os.environ | {"PYTHONPATH": str(REPOSITORY)},
        capture_output=True,
        text=True,
    )


def test_each_runs_own_stage_finds_it_finished(tmp_path, small_tree, monkeypatch):
    trees = [
        override(small_tree, {"sparsity.lambda": value, "pretrain.seed": int(value)}) for value in (0.1, 1.0)
    ]
    prepare.main(Params.model_validate(small_tree), tmp_path)
    done = together(tmp_path, *trees)
    assert done.returncode == 0 and "pretrain: 2 runs together" in done.stdout, done.stderr
    alone = tmp_path / "alone"
    alone.mkdir()
    (alone / "artifacts").symlink_to(tmp_path / "artifacts")
    train_step = Trainer.train_step
    for tree in trees:
        params = Params.model_validate(tree)
        monkeypatch.setattr(Trainer, "train_step", lambda *_: pytest.fail("trained again"))
        pretrain.main(params, tmp_path)
        ours = json.loads((tmp_path / "reports/metrics/pretrain.json").read_text())
        assert ours["together"] == 2 and ours["sparsity"]["lambda"] == params.sparsity.lambda_
        monkeypatch.setattr(Trainer, "train_step", train_step)
        pretrain.main(params, alone)
        theirs = json.loads((alone / "reports/metrics/pretrain.json").read_text())
        assert theirs["together"] == 1
        assert ours["final"]["loss"] == pytest.approx(theirs["final"]["loss"], rel=1e-4)


def test_runs_that_differ_in_more_than_they_may_are_refused_in_a_line(tmp_path, small_tree):
    done = together(tmp_path, small_tree, override(small_tree, {"pretrain.learning_rate": 0.001}))
    assert done.returncode == 2 and done.stderr.count("\n") == 1
    assert "may differ in sparsity.lambda and pretrain.seed alone" in done.stderr
    missing = together(tmp_path, small_tree, small_tree | {"sparsity": {}})
    assert missing.returncode == 2 and "Traceback" not in missing.stderr
