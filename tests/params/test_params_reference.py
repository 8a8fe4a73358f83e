"""docs/params.md is what its command prints, with a row for every param."""

import re
import subprocess
import sys
from pathlib import Path

import yaml
from conftest import REPOSITORY, default_tree, override

from pipeline.params.reference import reference


def run(folder: Path) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "pipeline.params"]
    return subprocess.run(
        command, cwd=folder, env={"PYTHONPATH": str(REPOSITORY)}, capture_output=True, text=True
    )


def test_the_page_is_what_the_command_prints():
    done = run(REPOSITORY)
    assert done.returncode == 0, done.stderr
    assert (REPOSITORY / "docs/params.md").read_text() == done.stdout


def test_every_param_has_a_row_with_its_default_and_a_sentence():
    rows = re.findall(
        r"^\| `([a-z0-9_.]+)` \| .+ \| .* \| `(.+)` \| (.+) \|$", reference(default_tree()), re.M
    )
    values = {path: yaml.safe_load(default) for path, default, _ in rows}
    assert override(default_tree(), values) == default_tree()
    assert len(values) == count_values(default_tree())
    for path, _, meaning in rows:
        assert meaning.endswith(".") and len(meaning.split()) > 1, path


def count_values(tree: dict) -> int:
    return sum(count_values(value) if isinstance(value, dict) else 1 for value in tree.values())


def test_ranges_and_choices_are_those_that_are_checked():
    page = reference(default_tree())
    for row in (
        "| `data.image_size` | integer | >= 8, <= 512, multiple of 4 |",
        "| `data.root` | path or null |  |",
        "| `masking.target_sizes` | list of pairs of integers | each >= 1, <= 262144, one entry or more, ",
        "| `augment.crop_scale` | two numbers | 0.001 <= first <= second <= 1 |",
        "| `pretrain.betas` | two numbers | each >= 0, < 1 |",
        "| `sparsity.method` | text | `none`, `oi_vae`, `oi_vae_blocks`, `group_lasso`, `l1`, `rdmreg`",
        "| `probe.labels` | list of texts or null |  |",
    ):
        assert row in page


def test_the_command_names_mistakes_and_leaves_with_status_2(tmp_path):
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(override(default_tree(), {"probe.l2": []})))
    done = run(tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "error: probe.l2: must have at least 1 item, got []\n"
