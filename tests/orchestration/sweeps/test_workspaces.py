"""A sweep runs a commit, and a clone of it is that commit."""

import subprocess
from pathlib import Path

import pytest
import yaml

from pipeline.files import InputError
from pipeline.orchestration.sweeps import workspaces
from tests.orchestration.mini_project import commit, make


@pytest.fixture
def project(tmp_path):
    return make(tmp_path / "project")


def test_a_clean_tree_gives_its_commit(project):
    assert workspaces.require_clean(project) == workspaces.git(project, "rev-parse", "HEAD")


@pytest.mark.parametrize("path", ["params.yaml", "stages/report.py", "pipeline/probe/new.py"])
def test_what_a_clone_would_not_have_is_refused_by_name(project, path):
    with (project / path).open("a") as handle:
        handle.write("# changed\n")
    with pytest.raises(InputError, match=f"not committed: {path}; .*git commit"):
        workspaces.require_clean(project)


def test_what_runs_write_and_notes_are_no_obstacle(project):
    (project / "reports").mkdir()
    (project / "reports/index.html").write_text("new")
    (project / "notes.txt").write_text("new")
    (project / "pipeline/notes.py").write_text("new")  # in no folder that dvc.yaml names
    workspaces.require_clean(project)


def test_a_folder_without_commits_is_told_what_to_do(tmp_path):
    with pytest.raises(InputError, match="need a Git repository with a commit: git init"):
        workspaces.require_clean(tmp_path)


def test_a_clone_is_the_commit_with_the_cells_params_and_the_shared_cache(project, tmp_path):
    head = workspaces.require_clean(project)
    text = (project / "params.yaml").read_text()
    (project / "params.yaml").write_text("# a comment\n" + text)
    commit(project)
    later, clone = workspaces.git(project, "rev-parse", "HEAD"), tmp_path / "clone"
    workspaces.clone(str(project), head, clone, tmp_path / "cache", None)
    assert workspaces.git(clone, "rev-parse", "HEAD") == head
    workspaces.clone(str(project), later, clone, tmp_path / "cache", None)
    workspaces.write_params(clone, {"sparsity.lambda": 0.25, "masking.target_sizes": [[1, 2], [2, 1]]})
    changed = (clone / "params.yaml").read_text()
    tree = yaml.safe_load(changed)
    assert changed.startswith("# a comment\n")
    assert tree["sparsity"]["lambda"] == 0.25 and tree["masking"]["target_sizes"] == [[1, 2], [2, 1]]
    assert yaml.safe_load(text)["sparsity"]["lambda"] != 0.25
    assert str(tmp_path / "cache") in (clone / ".dvc/config.local").read_text()
    workspaces.discard(clone)
    assert not clone.exists()


def add(project: Path, path: str) -> None:
    """Change a file, or make it, and commit that."""
    (project / path).parent.mkdir(parents=True, exist_ok=True)
    with (project / path).open("a") as handle:
        handle.write("# changed\n")
    subprocess.run(["git", "add", path], cwd=project, check=True)
    commit(project)


def experiment(project: Path, name: str) -> str:
    """An experiment at the commit that is checked out, with results as `dvc exp run` keeps them."""
    head = workspaces.git(project, "rev-parse", "HEAD")
    add(project, "reports/metrics/probe.json")
    revision = workspaces.git(project, "rev-parse", "HEAD")
    workspaces.git(project, "update-ref", f"refs/exps/{head[:2]}/{head[2:]}/{name}", revision)
    workspaces.git(project, "reset", "--quiet", "--hard", head)
    return revision


def is_done(project: Path, name: str) -> bool:
    return name in workspaces.experiments(project, [name], workspaces.git(project, "rev-parse", "HEAD"))


@pytest.mark.parametrize("path", ["docs/page.md", "pipeline/orchestration/page.py", "reports/index.html"])
def test_a_change_outside_of_what_dvc_yaml_names_leaves_an_experiment_done(project, path):
    revision = experiment(project, "cell")
    add(project, path)
    head = workspaces.git(project, "rev-parse", "HEAD")
    assert workspaces.experiments(project, ["cell", "other"], head) == {"cell": revision}


@pytest.mark.parametrize("path", ["stages/report.py", "pipeline/probe/base.txt", "pipeline/probe/new.py"])
def test_an_experiment_of_older_code_in_a_file_or_folder_of_dvc_yaml_is_not_done(project, path):
    experiment(project, "cell")
    assert is_done(project, "cell")
    add(project, path)
    assert not is_done(project, "cell")


def test_an_experiment_of_an_older_graph_is_not_done(project):
    experiment(project, "cell")
    add(project, "dvc.yaml")
    assert not is_done(project, "cell")


def test_a_remote_that_lacks_the_commit_is_refused(project, tmp_path):
    bare = tmp_path / "bare.git"
    subprocess.run(["git", "clone", "--quiet", "--bare", str(project), str(bare)], check=True)
    head = workspaces.require_clean(project)
    workspaces.require_pushed(project, head, str(bare))
    (project / "params.yaml").open("a").write("# changed\n")
    commit(project)
    with pytest.raises(InputError, match="git push it first"):
        workspaces.require_pushed(project, workspaces.require_clean(project), str(bare))


def test_a_second_holder_of_a_lock_is_told(tmp_path):
    path = tmp_path / "lock"
    with (
        workspaces.locked(path, ""),
        pytest.raises(InputError, match="running"),
        workspaces.locked(path, "running"),
    ):
        raise AssertionError
    with workspaces.locked(path, "running"):
        pass
