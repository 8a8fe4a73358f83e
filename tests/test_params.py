"""params.yaml: every mistake is one line that begins with the dotted path, exit status 2."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from conftest import REPOSITORY, default_tree, feasible_masks, override
from hypothesis import given, settings

from pipeline.files import InputError, ParamsError
from pipeline.jepa import masking
from pipeline.params import load

MISTAKES = [
    # unknown keys and wrong types
    ("model.patch_size", "eight", "model.patch_size: must be a valid integer"),
    ("model.patch_size", None, "model.patch_size: must be a valid integer"),
    ("pretrain.steps", True, "pretrain.steps: must not be true or false"),
    ("pretrain.learning_rate", "abc", "pretrain.learning_rate: must be a valid number"),
    ("augment.flip", 7, "augment.flip: must be a valid boolean"),
    ("augment.crop_scale", [1], "augment.crop_scale.1: missing"),
    ("data", None, "data: must be a valid dictionary"),
    # out of range
    ("pretrain.learning_rate", -1, "pretrain.learning_rate: must be greater than 0, got -1"),
    ("pretrain.learning_rate", float("nan"), "pretrain.learning_rate: must be"),
    ("pretrain.warmup_fraction", 1, "pretrain.warmup_fraction: must be less than 1"),
    ("masking.target_sizes", [[2, 0]], "masking.target_sizes.0.1: must be greater than or equal to 1"),
    ("masking.target_sizes", [], "masking.target_sizes: "),
    ("objective.ema_momentum", [0.9, 1.1], "objective.ema_momentum: both must lie in [0, 1]"),
    ("augment.crop_scale", [0.8, 0.5], "augment.crop_scale: must be two numbers"),
    ("probe.l2", [0.1, 0.0], "probe.l2.1: must be greater than 0"),
    ("probe.knn_neighbors", [5, 0], "probe.knn_neighbors.1: must be greater than or equal to 1, got 0"),
    ("probe.knn_neighbors", [], "probe.knn_neighbors: "),
    ("probe.low_shot.fractions", [0.1, 1], "probe.low_shot.fractions.1: must be less than 1"),
    ("probe.sgd.optimizer", "lars", "probe.sgd.optimizer: must be 'sgd' or 'adamw'"),
    ("probe.sgd.learning_rates", [], "probe.sgd.learning_rates: "),
    ("probe.fine_tune.layer_decay", 0, "probe.fine_tune.layer_decay: must be greater than 0"),
    ("embed.last_blocks", -1, "embed.last_blocks: must be greater than or equal to 0, got -1"),
    ("embed.sets", [":/photos"], "embed.sets.0: "),
    ("masking.mode", "random", "masking.mode: must be 'multiblock' or 'ijepa'"),
    ("regularizer.name", "dropout", "regularizer.name: must be 'none', 'vicreg' or 'sigreg'"),
    ("data.name", "imagenet", "data.name: must be 'scenes', 'cifar10', 'cifar100', 'folder' or 'clevr'"),
    ("runtime.device", "tpu", "runtime.device: "),
    ("sparsity.method", "dropout", "sparsity.method: must be 'none', 'oi_vae', 'group_lasso', 'l1', "),
    ("sparsity.lambda", -1, "sparsity.lambda: must be greater than or equal to 0, got -1"),
    ("sparsity.latent_dim", 0, "sparsity.latent_dim: must be greater than or equal to 1, got 0"),
    ("sparsity.weight", 0, "sparsity.weight: must be greater than 0, got 0"),
    ("sparsity.rdmreg.p", 0, "sparsity.rdmreg.p: must be greater than 0"),
    # contradictions
    ("sparsity.groups", 24, "sparsity.groups: must divide model.embed_dim (128), got 24"),
    ("model.patch_size", 7, "model.patch_size: must divide data.image_size (32), got 7"),
    ("model.patch_size", 32, "model.patch_size: must leave at least 2x2 patches"),
    ("masking.num_context", 9, "masking.num_context: 3 targets of 2x2 leave 4 of 16 patches free, got 9"),
    ("masking.target_sizes", [[5, 1]], "masking.target_sizes: a block of 5x1 patches does not fit"),
    ("model.num_heads", 3, "model.num_heads: must divide model.embed_dim (128), got 3"),
    ("model.predictor.num_heads", 5, "model.predictor.num_heads: must divide model.predictor.embed_dim"),
    ("model.embed_dim", 130, "model.num_heads: must divide model.embed_dim"),
    ("pretrain.accumulation", 3, "pretrain.accumulation: must split pretrain.batch_size"),
    ("data.name", "folder", "data.root: must name a folder of images"),
    ("data.root", "/photos", "data.root: scenes are generated, they have no files"),
    ("data.name", "clevr", "data.root: must name a folder of images where data.name is clevr"),
    (
        "embed.sets",
        ["flowers"],
        "embed.sets: flowers is none of scenes, cifar10, cifar100; a folder",
    ),
    ("embed.sets", ["clevr"], "embed.sets: clevr needs a path, clevr:PATH"),
    ("embed.sets", ["folder"], "embed.sets: folder needs a path, folder:PATH"),
    ("embed.sets", ["a:/x", "a:/y"], "embed.sets: a is named with two paths"),
    ("embed.sets", ["summary:/x"], "embed.sets: summary is a key of probe.json"),
    ("embed.sets", ["scenes:/x"], "embed.sets: scenes are generated, leave out /x"),
    ("embed.reference.name", "resnet18", "embed.reference: needs both name and weights, or neither"),
    ("data.image_size", 30, "data.image_size: must be a multiple of 4, got 30"),
]


def write(folder: Path, tree: object) -> Path:
    path = folder / "params.yaml"
    path.write_text(yaml.safe_dump(tree))
    return path


@pytest.mark.parametrize(("path", "value", "message"), MISTAKES)
def test_a_mistake_is_one_line_that_begins_with_the_dotted_path(tmp_path, path, value, message):
    tree = override(default_tree(), {path: value}) if "." in path else default_tree() | {path: value}
    with pytest.raises(ParamsError) as caught:
        load(write(tmp_path, tree))
    assert str(caught.value).startswith(message)
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 200


def test_unknown_and_missing_keys_are_named(tmp_path):
    tree = default_tree()
    tree["model"]["dept"] = 3
    with pytest.raises(ParamsError, match=r"^model\.dept: unknown key$"):
        load(write(tmp_path, tree))
    del tree["model"]["dept"], tree["pretrain"]["steps"]
    with pytest.raises(ParamsError, match=r"^pretrain\.steps: missing$"):
        load(write(tmp_path, tree))


def test_yaml_that_is_none_and_a_missing_file_are_named(tmp_path):
    (tmp_path / "params.yaml").write_text("data: [1, 2")
    with pytest.raises(ParamsError, match=r"^params\.yaml: not valid YAML"):
        load(tmp_path / "params.yaml")
    (tmp_path / "params.yaml").write_text("just words")
    with pytest.raises(ParamsError, match=r"^params\.yaml: must hold sections"):
        load(tmp_path / "params.yaml")
    with pytest.raises(InputError, match=r"nowhere\.yaml: not found"):
        load(tmp_path / "nowhere.yaml")


def test_a_number_that_yaml_reads_as_text_is_a_number(tmp_path):
    """`dvc exp run -S pretrain.learning_rate=1e-5` writes 1e-05, which YAML 1.1 reads as a string."""
    path = write(tmp_path, default_tree())
    path.write_text(re.sub(r"learning_rate: \S+", "learning_rate: 1e-05", path.read_text()))
    assert yaml.safe_load(path.read_text())["pretrain"]["learning_rate"] == "1e-05"
    assert load(path).pretrain.learning_rate == 1e-5


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"sparsity.topk": 17}, "sparsity.topk: keeps at most all 16 groups, got 17"),
        ({"sparsity.groups": 64}, "sparsity.groups: must divide sparsity.latent_dim (32) for topk, got 64"),
    ],
)
def test_topk_has_checks_of_its_own(tmp_path, changes, message):
    tree = override(default_tree(), changes)
    load(write(tmp_path, tree))
    with pytest.raises(ParamsError) as caught:
        load(write(tmp_path, override(tree, {"sparsity.method": "topk"})))
    assert str(caught.value) == message


def test_groups_matter_only_where_there_are_groups(tmp_path):
    tree = override(default_tree(), {"sparsity.groups": 24, "sparsity.method": "none"})
    assert load(write(tmp_path, tree)).sparsity.lambda_ == tree["sparsity"]["lambda"]


@settings(max_examples=60)
@given(feasible_masks(grids=[2, 4, 8]))
def test_masks_that_fit_pass_the_check_and_can_be_drawn(tmp_path_factory, drawn):
    grid, masks = drawn
    changes = {f"masking.{key}": value for key, value in masks.items()} | {"model.patch_size": 32 // grid}
    params = load(write(tmp_path_factory.mktemp("params"), override(default_tree(), changes)))
    masks = masking.sample(params.masking, grid, 4, seed=0, step=0)
    assert masks.context.shape == (4, params.masking.num_context)


@pytest.mark.parametrize("stage", ["prepare", "pretrain", "embed", "probe", "report"])
def test_every_stage_checks_all_params_first_and_leaves_with_status_2(tmp_path, stage):
    write(tmp_path, override(default_tree(), {"pretrain.steps": 0}))
    done = subprocess.run(
        [sys.executable, "-m", f"stages.{stage}"],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(REPOSITORY)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 2
    assert done.stderr.splitlines() == ["error: pretrain.steps: must be greater than or equal to 1, got 0"]
    assert [path.name for path in tmp_path.iterdir()] == ["params.yaml"]
