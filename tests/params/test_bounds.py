"""Every number has a bound, and what a machine cannot hold is refused."""

import importlib.util
import socket
from collections.abc import Iterator
from typing import Any

import pytest
from conftest import REPOSITORY, default_tree, override

from pipeline.files import ParamsError
from pipeline.orchestration import presets
from pipeline.params import needs, validate

TREE = default_tree()
HUGE = (10**30, 1e300, -1, -(10**30), -1e300, float("inf"), float("nan"), True, "9" * 5000, [[1]], {"a": 1})


def numbers(tree: Any = TREE, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """The keys that lead to every number of params.yaml, those in lists too."""
    items = tree.items() if isinstance(tree, dict) else enumerate(tree) if isinstance(tree, list) else ()
    for key, value in items:
        yield from numbers(value, (*path, key))
    if isinstance(tree, int | float) and not isinstance(tree, bool):
        yield path


NUMBERS = list(numbers())


def with_value(path: tuple[str | int, ...], value: object) -> dict[str, Any]:
    tree: Any = default_tree()
    node = tree
    for key in path[:-1]:
        node = node[key]
    node[path[-1]] = value
    return tree


def outcome(path: tuple[str | int, ...], value: object) -> str:
    """The mistakes, empty where there is none."""
    try:
        validate(with_value(path, value))
    except ParamsError as error:
        return str(error)
    return ""


def dotted(path: tuple[str | int, ...]) -> str:
    """Of the param: a list is named as a whole, or by its entry."""
    return ".".join(key for key in path if isinstance(key, str))


@pytest.mark.parametrize("path", NUMBERS, ids=dotted)
def test_no_number_is_out_of_bounds(path):
    for value in HUGE:
        if value == -1 and dotted(path) == "sparsity.rdmreg.mu":
            continue  # a mean may be negative
        (line,) = outcome(path, value).splitlines()
        assert line.startswith(f"{dotted(path)}") and len(line) <= 300, value


@pytest.mark.parametrize("path", NUMBERS, ids=dotted)
def test_a_number_that_is_nearly_zero_passes_only_where_zero_does(path):
    refused = outcome(path, 1e-320)
    if refused:
        (line,) = refused.splitlines()
        assert line.startswith(dotted(path))
    else:
        assert outcome(path, 0.0) == ""


def test_there_are_as_many_numbers_as_params_yaml_has():
    assert len(NUMBERS) > 110


@pytest.mark.parametrize("name", presets.names())
def test_presets_are_within_the_bounds(name, tmp_path):
    changes = presets.overrides(name)
    if changes.get("data.name") == "folder":
        changes["data.root"] = str(tmp_path)
    needs.check(validate(override(TREE, changes)), REPOSITORY)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"data.scenes.num_train": 10**8, "data.image_size": 512},
            "data.scenes.num_train: needs 78.6 TB of disk or more, this machine has 3 TB",
        ),
        (
            {"data.scenes.num_test": 10**8, "data.scenes.num_train": 1, "data.image_size": 512},
            "data.scenes.num_test: needs 78.6 TB of disk or more, this machine has 3 TB",
        ),
        (
            {"model.embed_dim": 65536, "model.depth": 1000, "model.num_heads": 4},
            "model.embed_dim: needs 1.03 PB of memory or more, this machine has 64 GB",
        ),
        (
            {"model.predictor.embed_dim": 65536},
            "model.predictor.embed_dim: needs 1.65 TB of memory or more, this machine has 64 GB",
        ),
        (
            {"sparsity.latent_dim": 65536, "sparsity.generator_width": 4096},
            "sparsity.latent_dim: needs 138 GB of memory or more, this machine has 64 GB",
        ),
        (
            {"probe.bootstrap": 10**6, "data.scenes.num_test": 10**5},
            "probe.bootstrap: needs 100 GB of memory",
        ),
        ({"pretrain.batch_size": 10**8}, "pretrain.batch_size: needs 1.23 TB of memory or more"),
    ],
)
def test_what_no_machine_of_this_size_can_hold_is_named(changes, message, monkeypatch, tmp_path):
    monkeypatch.setattr(needs, "_memory", lambda: 64 * 10**9)
    monkeypatch.setattr(
        needs.shutil, "disk_usage", lambda _: needs.shutil._ntuple_diskusage(3 * 10**12, 0, 0)
    )
    needs.check(validate(TREE), tmp_path)
    with pytest.raises(ParamsError) as caught:
        needs.check(validate(override(TREE, changes)), tmp_path)
    assert str(caught.value).splitlines()[0].startswith(message)


@pytest.mark.parametrize("key", ["model.name", "embed.reference.name"])
@pytest.mark.parametrize(
    "name",
    [
        "hf-hub:timm/vit_tiny_patch16_224",
        "hf_hub:timm/vit_tiny_patch16_224",
        "timm/vit_tiny_patch16_224",
        "local-dir:/tmp",
        "vit_tiny_patch16_224.hf-hub:timm/x",
        "resnet18.hf-hub://x",
        "vit_tiny_patch16_224.no_such_tag",
        "https://x.org/vit_tiny_patch16_224",
        ".",
    ],
)
def test_timms_own_names_alone_are_models_and_nothing_is_looked_up(key, name, monkeypatch):
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("opens a connection")

    monkeypatch.setattr(socket, "socket", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    section = {"embed.reference.weights": "x.pth"} if key.startswith("embed") else {}
    validate(override(TREE, {**section, key: "vit_tiny_patch16_224"}))
    validate(override(TREE, {**section, key: "vit_tiny_patch16_224.augreg_in21k"}))
    with pytest.raises(ParamsError) as caught:
        validate(override(TREE, {**section, key: name}))
    assert str(caught.value).splitlines()[0].startswith(f"{key}: timm has no model {name!r}")
    assert len(str(caught.value).splitlines()) == 1


@pytest.mark.parametrize("key", ["model.name", "data.root", "embed.reference.weights"])
@pytest.mark.parametrize("text", ["", " ", "\t"])
def test_empty_text_is_no_name_and_no_folder(key, text):
    (line,) = outcome(tuple(key.split(".")), text).splitlines()
    assert line == f"{key}: must not be empty text"


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("probe.knn_neighbors", True),
        ("probe.knn_neighbors", [5, True]),
        ("pretrain.betas", [True, 0.9]),
        ("masking.target_sizes", [[2, True]]),
        ("augment.crop_scale", [0.5, True]),
        ("embed.reference.name", False),
        ("probe.labels", [True]),
    ],
)
def test_a_truth_value_is_no_number_in_lists_too(path, value):
    (line,) = outcome(tuple(path.split(".")), value).splitlines()
    assert line == f"{path}: must not be true or false"


def test_what_a_late_stage_would_miss_is_named_before_any_training(tmp_path, monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    changes = {
        "embed.reference": {"name": "vit_tiny_patch16_224", "weights": "nowhere.pth"},
        "interpret.compare": ["runs/other"],
        "interpret.umap": True,
    }
    params = validate(override(TREE, changes))
    with pytest.raises(ParamsError) as caught:
        needs.check(params, tmp_path)
    assert str(caught.value).splitlines() == [
        "embed.reference.weights: nowhere.pth: no such file",
        "interpret.compare: runs/other: no folder artifacts/ of a run, which has embeddings/",
        "interpret.umap: needs umap-learn: uv pip install umap-learn",
    ]
    (tmp_path / "nowhere.pth").touch()
    (tmp_path / "runs/other/embeddings").mkdir(parents=True)
    assert list(needs.absent(params, tmp_path)) == [str(caught.value).splitlines()[-1]]
