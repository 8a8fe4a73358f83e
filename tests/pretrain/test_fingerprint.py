"""The name of a run changes with what dvc.yaml says decides its weights, and with nothing else."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from conftest import REPOSITORY, override

from pipeline.params import Params
from pipeline.pretrain.fingerprint import commit, run_fingerprint


@pytest.fixture
def project(tmp_path) -> Path:
    """A copy of dvc.yaml and of all code."""
    shutil.copy(REPOSITORY / "dvc.yaml", tmp_path)
    for room in ("pipeline", "stages"):
        shutil.copytree(REPOSITORY / room, tmp_path / room, ignore=shutil.ignore_patterns("__pycache__"))
    return tmp_path


@pytest.mark.parametrize(
    ("file", "decides"),
    [
        ("pipeline/measure/collapse.py", True),  # what the monitors write is in the state
        ("pipeline/pretrain/parallel/together.py", True),
        ("stages/pretrain.py", True),
        ("pipeline/prepare/clevr.py", False),  # how a set was made is in its own hash
        ("pipeline/report/page.py", False),
        ("stages/embed.py", False),
    ],
)
def test_an_edit_discards_resume_states_where_the_stage_depends_on_the_file(
    project, small_tree, file, decides
):
    params = Params.model_validate(small_tree)
    before = run_fingerprint(params, "images", project)
    (project / file).write_text((project / file).read_text() + "\n# edited\n")
    assert (run_fingerprint(params, "images", project) != before) == decides


def test_a_file_that_moves_counts_as_an_edit(project, small_tree):
    params = Params.model_validate(small_tree)
    before = run_fingerprint(params, "images", project)
    (project / "pipeline/measure/collapse.py").rename(project / "pipeline/measure/spread.py")
    assert run_fingerprint(params, "images", project) != before


def test_tracked_params_and_images_decide_and_the_others_do_not(small_tree):
    def fingerprint(images: str = "images", **changes: object) -> str:
        return run_fingerprint(Params.model_validate(override(small_tree, changes)), images)

    name = fingerprint()
    assert len(name) == 16 and int(name, 16) >= 0
    untracked = {"probe.bootstrap": 200, "runtime.log_seconds": 1.0, "embed.batch_size": 7, "data.seed": 3}
    assert fingerprint(**untracked) == name
    tracked = {"sparsity.lambda": 0.7, "pretrain.seed": 5, "data.image_size": 48, "augment.flip": False}
    others = [fingerprint(**{path: value}) for path, value in tracked.items()]
    assert len({name, fingerprint("others"), *others}) == 6


def test_a_dependency_that_is_not_there_is_named(project, small_tree):
    """It would else count as no code at all."""
    shutil.rmtree(project / "pipeline/measure")
    with pytest.raises(FileNotFoundError, match=r"pipeline/measure: a dependency in dvc\.yaml"):
        run_fingerprint(Params.model_validate(small_tree), "images", project)


def test_a_commit_says_where_code_or_params_differ_from_it(project):
    git = ["git", "-C", str(project), "-c", "user.name=t", "-c", "user.email=t@localhost"]
    for name in ("params.yaml", "README.md"):
        (project / name).write_text("a\n")
    assert commit(project) is None
    subprocess.run([*git, "init", "--quiet"], check=True)
    subprocess.run([*git, "add", "."], check=True)
    subprocess.run([*git, "commit", "--quiet", "-m", "all"], check=True)
    head = commit(project)
    assert head is not None and len(head) == 40
    (project / "README.md").write_text("b\n")
    assert commit(project) == head
    for name in ("params.yaml", "pipeline/prepare/clevr.py", "dvc.yaml"):
        text = (project / name).read_text()
        (project / name).write_text(text + "# edited\n")
        assert commit(project) == head + "+changes"
        (project / name).write_text(text)


@pytest.mark.slow
def test_a_finished_run_is_trained_anew_after_an_edit_of_what_it_measures(project, small_tree):
    """Its state would else be exported with the old numbers."""
    (project / "params.yaml").write_text(yaml.safe_dump(small_tree))

    def rankme(stage: str = "pretrain") -> float:
        command = [sys.executable, "-m", f"stages.{stage}"]
        done = subprocess.run(command, cwd=project, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        file = project / "reports/metrics/pretrain.json"
        return json.loads(file.read_text())["final"]["rankme"] if file.exists() else 0.0

    rankme("prepare")
    assert rankme() == rankme() < 100
    file = project / "pipeline/measure/collapse.py"
    text, edits = re.subn(
        r"(def rankme\(.*?\n    return )[^\n]*", r"\g<1>777.0", file.read_text(), flags=re.S
    )
    assert edits == 1
    file.write_text(text)
    assert rankme() == 777
