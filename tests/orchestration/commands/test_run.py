"""`python -m pipeline run`: a preset and settings on top of the committed params, with nothing left over."""

from pathlib import Path

import pytest
import yaml

from pipeline.files import InputError
from pipeline.orchestration.commands.run import set_from_commit
from pipeline.orchestration.sweeps.workspaces import git
from tests.orchestration.mini_project import make, pipeline


def value(project: Path, section: str, key: str) -> object:
    return yaml.safe_load((project / "params.yaml").read_text())[section][key]


def test_dials_do_not_pile_up_and_what_is_left_out_is_kept(tmp_path, capsys):
    project = make(tmp_path / "project")
    set_from_commit(project, None, ["sparsity.lambda=0.03"])
    assert value(project, "sparsity", "lambda") == 0.03
    set_from_commit(project, "smoke", ["pretrain.seed=5"])
    committed = yaml.safe_load(git(project, "show", "HEAD:params.yaml"))
    assert value(project, "sparsity", "lambda") == committed["sparsity"]["lambda"]
    assert value(project, "pretrain", "seed") == 5
    said = capsys.readouterr().out
    assert "params.yaml had sparsity.lambda=0.03: left out" in said
    kept = project / said.split("; see ")[1].strip()
    assert yaml.safe_load(kept.read_text())["sparsity"]["lambda"] == 0.03


@pytest.mark.parametrize(
    ("preset", "settings", "reason"),
    [
        ("smokee", [], "preset smokee: not found; there are"),
        (None, ["sparsity.groups=0"], "sparsity.groups"),
        (None, ["sparsity.lamda=1"], "sparsity.lamda: unknown key"),
        (None, ["lambda"], "lambda: a setting is section.key=value"),
    ],
)
def test_a_mistake_is_one_line_and_changes_nothing(tmp_path, preset, settings, reason):
    project = make(tmp_path / "project")
    before = (project / "params.yaml").read_text()
    with pytest.raises(InputError, match=reason):
        set_from_commit(project, preset, settings)
    assert (project / "params.yaml").read_text() == before


def test_a_preset_that_does_not_exist_starts_nothing(tmp_path):
    project = make(tmp_path / "project")
    done = pipeline(project, "run", "--preset", "smokee", "--experiment")
    assert done.returncode == 1 and done.stderr.startswith("error: preset smokee: not found")
    assert not (project / "reports/metrics").exists()


def test_an_experiment_is_kept_and_a_plain_run_is_not(tmp_path):
    project = make(tmp_path / "project")
    assert pipeline(project, "run", "--set", "sparsity.lambda=0.5").returncode == 0
    assert git(project, "for-each-ref", "refs/exps") == ""
    done = pipeline(project, "run", "--set", "pretrain.seed=3", "--experiment")
    assert done.returncode == 0, done.stderr
    names = git(project, "for-each-ref", "--format=%(refname)", "refs/exps").split()
    [name] = [name for name in names if not name.startswith("refs/exps/exec/")]  # DVC's own note
    kept = yaml.safe_load(git(project, "show", f"{name}:params.yaml"))
    assert kept["pretrain"]["seed"] == 3 and kept["sparsity"]["lambda"] != 0.5


def test_an_experiment_needs_no_identity_in_gits_config(tmp_path):
    project = make(tmp_path / "project")
    for key in ("user.name", "user.email"):
        git(project, "config", "--unset", key)
    nothing = {"HOME": str(tmp_path), "XDG_CONFIG_HOME": str(tmp_path), "GIT_CONFIG_NOSYSTEM": "1"}
    done = pipeline(project, "run", "--experiment", GIT_AUTHOR_NAME="someone", **nothing)
    assert done.returncode == 0, done.stderr
    author = "--format=%(refname)/ %(authorname) %(authoremail)"
    kept = [
        line
        for line in git(project, "for-each-ref", author, "refs/exps").splitlines()
        if "/exec/" not in line
    ]
    assert [line.split("/ ")[1] for line in kept] == ["someone <sparsejepa@localhost>"]
