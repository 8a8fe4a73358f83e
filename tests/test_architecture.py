"""docs/architecture.md: its order of rooms is the one that is checked, and its four examples work."""

import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml
from conftest import REPOSITORY, SMALL, default_tree, override

from pipeline.files import read_json
from pipeline.graph import read_graph, stage_order

PAGE = (REPOSITORY / "docs/architecture.md").read_text()
# language, file, what it is, content
BLOCK = re.compile(r"^```(\w+)\n# (\S+) \((.*?)\)\n(.*?)^```", re.MULTILINE | re.DOTALL)


def test_rooms_stand_in_the_order_in_which_they_may_import():
    contracts = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["tool"]["importlinter"][
        "contracts"
    ]
    [layers] = [contract["layers"] for contract in contracts if "stages" in contract.get("layers", ())]
    [order] = re.findall(r"^    orchestration >.*(?:\n    .*)*", PAGE, re.MULTILINE)
    expected = [re.findall(r"[a-z_]+", layer.replace("pipeline.", "")) for layer in layers]
    assert [re.findall(r"[a-z_]+", layer) for layer in order.split(">")] == expected


def test_each_example_is_one_new_file_of_under_40_lines_and_one_line_of_a_registry():
    sections = PAGE.partition("## Made to be extended")[2].split("\n### ")[1:]
    assert len(sections) == 4
    for section in sections:
        (*kind, content), (*table, lines) = BLOCK.findall(section)
        assert kind[::2] == ["python", "new"] and len(content.splitlines()) + 3 < 40
        assert table[0] == "diff" and table[2].startswith("a line of ")
        *imports, entry = lines.splitlines()
        assert entry.startswith("+    ") and len(imports) == table[2].endswith("and its import")


def follow_examples(project: Path) -> None:
    """Do with `project` what the page says: write its new files, add its lines to the registries."""
    for _, path, what, content in BLOCK.findall(PAGE):
        if what == "new":
            (project / path).write_text(content)
            continue
        *imports, entry = (line.removeprefix("+") for line in content.splitlines())
        [table] = re.findall(r"[A-Z_]{2,}", what)
        text = (project / path).read_text()
        pattern = rf"^({table}\b[^=\n]*= [({{]\n.*?)^([)}}])$"
        text, added = re.subn(pattern, rf"\1{entry}\n\2", text, flags=re.MULTILINE | re.DOTALL)
        assert added == 1, table
        for line in imports:
            text = text.replace("\nfrom ", f"\n{line}\nfrom ", 1)
        (project / path).write_text(text)


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the project in which the examples were followed and all stages ran, on sizes below smoke."""
    root = tmp_path_factory.mktemp("examples")
    for folder in ("pipeline", "stages"):
        shutil.copytree(REPOSITORY / folder, root / folder, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(REPOSITORY / "dvc.yaml", root)
    follow_examples(root)
    smoke = yaml.safe_load((REPOSITORY / "presets/smoke.yaml").read_text())
    chosen = {"sparsity.method": "hoyer", "embed.sets": ["stripes"]}
    (root / "params.yaml").write_text(yaml.safe_dump(override(default_tree(), {**smoke, **SMALL, **chosen})))
    for stage in stage_order(read_graph(root)):
        command = [sys.executable, "-m", f"stages.{stage}"]
        done = subprocess.run(command, cwd=root, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
    return root


@pytest.mark.slow
def test_the_method_trains_and_titles_the_page(project):
    pretrain = read_json(project / "reports/metrics/pretrain.json")
    assert pretrain["sparsity"]["method"] == "hoyer"
    assert pretrain["final"]["loss_hoyer"] > 0
    assert "SparseJEPA (hoyer) on scenes" in (project / "reports/index.html").read_text()


@pytest.mark.slow
def test_the_set_is_made_probed_and_interpreted(project):
    prepared = read_json(project / "reports/metrics/prepare.json")["stripes"]
    assert (prepared["train"], prepared["num_labels"]) == (SMALL["data.scenes.num_train"], 1)
    probed = read_json(project / "reports/metrics/probe.json")["stripes"]["direction"]
    assert probed["encoder"]["accuracy"] > 0.5
    assert read_json(project / "reports/metrics/interpret.json")["stripes"]["factors"] == ["direction"]


@pytest.mark.slow
def test_the_view_is_probed_and_shown(project):
    labels = read_json(project / "reports/metrics/probe.json")["scenes"]
    assert all("mean_colour" in views for label, views in labels.items() if not label.startswith("patch_"))
    assert "mean colour" in (project / "reports/index.html").read_text()


@pytest.mark.slow
def test_the_metric_is_measured_and_shown(project):
    codes = read_json(project / "reports/metrics/interpret.json")["scenes"]["codes"]
    assert all(1 / scores["groups"] <= scores["largest_share"] <= 1 for scores in codes.values())
    assert "largest share" in (project / "reports/index.html").read_text()
