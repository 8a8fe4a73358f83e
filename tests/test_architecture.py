"""docs/architecture.md: its order of rooms is the one that is checked, and its example of a method works."""

import json
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml
from conftest import REPOSITORY, default_tree, override

PAGE = (REPOSITORY / "docs/architecture.md").read_text()
STAGES = ("prepare", "pretrain", "embed", "probe", "interpret", "report")


def test_rooms_stand_in_the_order_in_which_they_may_import():
    contracts = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["tool"]["importlinter"][
        "contracts"
    ]
    [layers] = [contract["layers"] for contract in contracts if "stages" in contract.get("layers", ())]
    [order] = re.findall(r"^    orchestration >.*(?:\n    .*)*", PAGE, re.MULTILINE)
    expected = [re.findall(r"[a-z_]+", layer.replace("pipeline.", "")) for layer in layers]
    assert [re.findall(r"[a-z_]+", layer) for layer in order.split(">")] == expected


def test_examples_are_short():
    blocks = re.findall(r"^```python\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    assert len(blocks) >= 4
    assert [block for block in blocks if len(block.splitlines()) >= 40] == []


def follow_example(page: str, project: Path) -> None:
    """Do with `project` what the page's section on methods says: write the new file, add the name."""
    section = page.partition("### A sparsity method")[2].partition("\n### ")[0]
    new, name = re.findall(r"^```\w+\n# (\S+) \(([^)]+)\)\n(.*?)^```", section, re.MULTILINE | re.DOTALL)
    assert new[1] == "new"
    (project / new[0]).write_text(new[2])
    registry, tuple_name = project / name[0], name[1].split()[-1]
    text, added = re.subn(
        rf"^({tuple_name}\b.*?= \()", rf"\1{name[2].strip()} ", registry.read_text(), flags=re.M
    )
    assert added == 1
    registry.write_text(text)


@pytest.mark.slow
def test_the_example_of_a_method_runs_from_params_to_page(tmp_path):
    for folder in ("pipeline", "stages", "presets"):
        shutil.copytree(REPOSITORY / folder, tmp_path / folder, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(REPOSITORY / "dvc.yaml", tmp_path)
    follow_example(PAGE, tmp_path)
    smoke = yaml.safe_load((REPOSITORY / "presets/smoke.yaml").read_text())
    tree = override(default_tree(), {**smoke, "sparsity.method": "hoyer", "runtime.device": "cpu"})
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(tree))
    for stage in STAGES:
        command = [sys.executable, "-m", f"stages.{stage}"]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
    pretrain = json.loads((tmp_path / "reports/metrics/pretrain.json").read_text())
    assert pretrain["sparsity"]["method"] == "hoyer"
    assert pretrain["final"]["loss_hoyer"] > 0
    assert "hoyer" in (tmp_path / "reports/index.html").read_text()
