"""The small project's metrics have the shape of those that the shipped stages write."""

from typing import Any

import pytest
from conftest import REPOSITORY

from pipeline.files import read_json
from pipeline.layout import metrics_file
from tests.orchestration.mini_project import make, pipeline


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    folder = make(tmp_path_factory.mktemp("mini") / "project")
    done = pipeline(folder, "run")
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


def unlike(small: Any, shipped: Any, path: str = "") -> list[str]:
    """The paths of `small` that `shipped` lacks, or has with a value of another type."""
    if isinstance(small, dict) and isinstance(shipped, dict):
        missing = [f"{path}.{key}" for key in small if key not in shipped]
        return missing + [
            place
            for key in small
            if key in shipped
            for place in unlike(small[key], shipped[key], f"{path}.{key}")
        ]
    kinds = [float if isinstance(value, float | int) else type(value) for value in (small, shipped)]
    return [] if kinds[0] is kinds[1] else [path]


@pytest.mark.parametrize("stage", ["prepare", "pretrain", "probe"])
def test_every_number_of_the_small_project_is_one_that_the_shipped_stage_writes(project, stage):
    small, shipped = (read_json(root / metrics_file(stage)) for root in (project, REPOSITORY))
    assert unlike(small, shipped) == []


def test_a_key_that_no_stage_writes_is_seen():
    assert unlike({"a": {"b": 1, "c": 2}}, {"a": {"b": 0.5}}) == [".a.c"]
    assert unlike({"a": 1}, {"a": "x"}) == [".a"]
