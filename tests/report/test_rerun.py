"""The report's last commands give the same run again, from the commit."""

import copy
import shlex
import subprocess
from pathlib import Path

import pytest
import yaml
from conftest import default_tree, override

from pipeline.orchestration.commands.run import set_from_commit
from pipeline.params import validate
from pipeline.report.rerun import commands, committed_params
from tests.orchestration.mini_project import make


def without_runtime(tree: dict) -> dict:
    params = validate(tree).model_dump(mode="json", by_alias=True)
    return {name: section for name, section in params.items() if name != "runtime"}


def test_params_as_committed_need_make_repro_alone():
    tree = without_runtime(default_tree())
    assert commands(tree, copy.deepcopy(tree), "abc1234") == "git checkout abc1234\nmake repro"
    assert commands(tree, tree, "") == "make repro"
    assert "params above" in commands(tree, None, "abc1234")


@pytest.mark.parametrize("root", ["/data/my images", "/data/it's", "/data/$HOME"])
def test_the_commands_of_own_images_are_those_that_ran(tmp_path: Path, root: str):
    project = make(tmp_path / "project")
    head = subprocess.run(
        ["git", "-C", str(project), "rev-parse", "HEAD"], capture_output=True, text=True, check=True
    ).stdout.strip()
    changes = {"data.name": "folder", "data.root": root, "probe.l2": [0.1, 1.0], "sparsity.lambda": 0.5}
    wanted = without_runtime(override(yaml.safe_load((project / "params.yaml").read_text()), changes))
    said = commands(wanted, committed_params(project, head), head)
    assert said.startswith(f"git checkout {head}\n")
    words = shlex.split(said[said.index("python -m pipeline run") :].replace("\\\n", " "))
    set_from_commit(project, None, [word for word in words[4:] if word != "--set"])
    assert without_runtime(yaml.safe_load((project / "params.yaml").read_text())) == wanted
