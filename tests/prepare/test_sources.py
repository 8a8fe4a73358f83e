"""Every name that params know has a source, and a run's sets are asked for once each."""

from dataclasses import replace
from pathlib import Path

import pytest
from conftest import default_tree, override

from pipeline.files import InputError, ParamsError
from pipeline.params import Params
from pipeline.params.registry import DATA_SETS, DataSet, origin
from pipeline.prepare.sources import find_source, open_source, requests
from tests.prepare.make_request import make_request

ROOT = Path("/project")


def sets_of(**changes: object) -> list[tuple[str, Path | None, str]]:
    tree = override(default_tree(), {key.replace("__", "."): value for key, value in changes.items()})
    return [
        (request.name, request.path, request.key) for request in requests(Params.model_validate(tree), ROOT)
    ]


@pytest.mark.parametrize("name", DATA_SETS)
def test_every_registered_name_has_its_source(name):
    assert find_source(name).__module__ == f"pipeline.prepare.{DATA_SETS[name].module}"


@pytest.mark.parametrize(
    ("module", "message"),
    [
        ("ghost", r"^the set ghosts needs a file pipeline/prepare/ghost\.py, which is not there"),
        ("write", r"^pipeline/prepare/write\.py must define a function source\(request\)"),
    ],
)
def test_a_set_without_a_file_and_a_file_without_a_source_are_named(monkeypatch, module, message):
    monkeypatch.setitem(DATA_SETS, "ghosts", DataSet("generated", module))
    with pytest.raises(ParamsError, match=message):
        find_source("ghosts")


def test_data_name_comes_first_and_each_set_once():
    assert sets_of() == [("scenes", None, "data.root")]
    assert sets_of(
        data__name="folder", data__root="images", embed__sets=["cats:/cats", "scenes", "folder"]
    ) == [
        ("folder", ROOT / "images", "data.root"),
        ("cats", Path("/cats"), "embed.sets"),
        ("scenes", None, "embed.sets"),
    ]


def test_paths_may_begin_at_home(monkeypatch):
    monkeypatch.setenv("HOME", "/home/someone")
    assert sets_of(embed__sets=["cats:~/cats"])[1] == ("cats", Path("/home/someone/cats"), "embed.sets")


def test_downloads_lie_among_the_runs(monkeypatch):
    params = Params.model_validate(default_tree())
    monkeypatch.delenv("RUNS_DIR", raising=False)
    assert requests(params, ROOT)[0].downloads == ROOT / "runs/downloads"
    monkeypatch.setenv("RUNS_DIR", "/elsewhere")
    assert requests(params, ROOT)[0].downloads == Path("/elsewhere/downloads")


@pytest.mark.parametrize("name", [name for name in DATA_SETS if origin(name) != "generated"])
def test_a_path_without_the_set_is_named(tmp_path, name):
    with pytest.raises(InputError, match=r"^data\.root: .*empty"):
        open_source(make_request(name, tmp_path / "empty", 32, tmp_path / "downloads"))


def test_a_name_of_the_users_own_is_a_folder_of_images(tmp_path):
    for path in ("a/0.png", "a/1.png"):
        (tmp_path / path).parent.mkdir(exist_ok=True)
        (tmp_path / path).write_bytes(b"")
    request = make_request("folder", tmp_path, 32)
    assert open_source(replace(request, name="cats")).counts == {"train": 1, "test": 1}
