"""Mistakes of params.yaml: all at once, a line each, which begins with the dotted path."""

import copy
from typing import Any

import pytest
from conftest import default_tree, override
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.files import ParamsError
from pipeline.params import Params, Section, validate
from pipeline.params.base import inner_section

TREE = default_tree()
MISTAKES = [
    # wrong types
    ("model.patch_size", "eight", "model.patch_size: must be a valid integer, got 'eight'"),
    ("model.patch_size", None, "model.patch_size: must be a valid integer, got None"),
    ("pretrain.steps", True, "pretrain.steps: must not be true or false"),
    ("pretrain.learning_rate", "abc", "pretrain.learning_rate: must be a valid number, got 'abc'"),
    ("model.depth", 2.5, "model.depth: must be a valid integer, got 2.5"),
    ("augment.flip", 7, "augment.flip: must be a valid boolean, got 7"),
    ("augment.crop_scale", [1], "augment.crop_scale.1: missing"),
    ("data", None, "data: must be a section with keys of its own, got None"),
    ("data.scenes", [1], "data.scenes: must be a section with keys of its own, got [1]"),
    ("data.root", {"a": 1}, "data.root: must be a path, got {'a': 1}"),
    # out of range
    ("data.image_size", 30, "data.image_size: must be a multiple of 4, got 30"),
    ("model.embed_dim", 130, "model.embed_dim: must be a multiple of 4, got 130"),
    ("pretrain.learning_rate", -1, "pretrain.learning_rate: must be greater than or equal to 1e-08, got -1"),
    ("pretrain.learning_rate", float("nan"), "pretrain.learning_rate: must be"),
    ("pretrain.warmup_fraction", 1, "pretrain.warmup_fraction: must be less than 1"),
    ("masking.target_sizes", [[2, 0]], "masking.target_sizes.0.1: must be greater than or equal to 1"),
    ("masking.target_sizes", [], "masking.target_sizes: must have at least 1 item, got []"),
    ("objective.ema_momentum", [0.9, 1.1], "objective.ema_momentum.1: must be less than or equal to 1"),
    ("augment.crop_scale", [0.8, 0.5], "augment.crop_scale: must be two numbers, 0.001 <= first <= second"),
    ("masking.target_ratio", [1, 11], "masking.target_ratio: must be two numbers, 0.1 <= first <= second"),
    ("probe.l2", [0.1, 0.0], "probe.l2.1: must be greater than or equal to 1e-12, got 0.0"),
    ("probe.knn_neighbors", [5, 0], "probe.knn_neighbors.1: must be greater than or equal to 1, got 0"),
    ("probe.knn_neighbors", [], "probe.knn_neighbors: must have at least 1 item"),
    ("probe.low_shot.fractions", [0.1, 1], "probe.low_shot.fractions.1: must be less than 1"),
    ("probe.sgd.optimizer", "lars", "probe.sgd.optimizer: must be 'sgd' or 'adamw', got 'lars'"),
    ("probe.sgd.learning_rates", [], "probe.sgd.learning_rates: must have at least 1 item"),
    ("probe.fine_tune.layer_decay", 0, "probe.fine_tune.layer_decay: must be greater than or equal to 0.001"),
    ("embed.last_blocks", -1, "embed.last_blocks: must be greater than or equal to 0, got -1"),
    ("masking.mode", "random", "masking.mode: must be 'multiblock' or 'ijepa'"),
    ("regularizer.name", "dropout", "regularizer.name: must be 'none', 'vicreg', "),
    ("data.name", "imagenet", "data.name: must be 'scenes', 'cifar10', 'cifar100', 'folder'"),
    ("data.scenes.variant", "plain", "data.scenes.variant: must be 'textured', 'factors', "),
    ("runtime.device", "tpu", "runtime.device: must be auto, cpu, cuda or cuda:N, got 'tpu'"),
    ("runtime.device", "cuda:1\n", "runtime.device: must be auto"),
    ("sparsity.method", "dropout", "sparsity.method: must be 'none', 'oi_vae', 'oi_vae_blocks', "),
    ("sparsity.lambda", -1, "sparsity.lambda: must be greater than or equal to 0, got -1"),
    ("sparsity.lambda", 2, "sparsity.lambda: must be at most 1 for oi_vae, where all of W is zero, got 2"),
    ("sparsity.latent_dim", 0, "sparsity.latent_dim: must be greater than or equal to 1, got 0"),
    ("sparsity.weight", 0, "sparsity.weight: must be greater than or equal to 1e-06, got 0"),
    ("sparsity.rdmreg.rectifies", "all", "sparsity.rdmreg.rectifies: must be 'copy' or 'embedding'"),
    ("sparsity.rdmreg.p", 0, "sparsity.rdmreg.p: must be greater than or equal to 0.1, got 0"),
    # two params of one section that contradict each other
    ("model.num_heads", 3, "model.num_heads: must divide model.embed_dim (128), got 3"),
    ("model.predictor.num_heads", 5, "model.predictor.num_heads: must divide model.predictor.embed_dim (64)"),
    ("pretrain.accumulation", 3, "pretrain.accumulation: must split pretrain.batch_size (128)"),
    ("pretrain.accumulation", 128, "pretrain.accumulation: must split pretrain.batch_size (128)"),
    ("data.name", "folder", "data.root: must name a folder of images"),
    ("data.root", "/photos", "data.root: scenes are generated, they have no files"),
    ("data.name", "clevr", "data.root: must name a folder of images where data.name is clevr"),
    ("embed.reference.name", "resnet18", "embed.reference.weights: embed.reference needs both name and"),
    ("embed.sets", [":/photos"], "embed.sets.0: must be a name or name:PATH, got ':/photos'"),
    ("embed.sets", ["flowers"], "embed.sets.0: flowers is none of scenes, cifar10, cifar100; a folder"),
    ("embed.sets", ["summary:/x"], "embed.sets.0: summary is a key of probe.json"),
    ("embed.sets", ["scenes:/x"], "embed.sets.0: scenes are generated, leave out /x"),
    ("embed.sets", ["a:/x", "a:/y"], "embed.sets: a is named with two paths"),
]  # fmt: skip


def mistakes_of(tree: Any) -> list[str]:
    with pytest.raises(ParamsError) as caught:
        validate(tree)
    return str(caught.value).splitlines()


def leaves(kind: type[Section] = Params, prefix: str = "") -> list[str]:
    """Dotted paths of all params that hold a value, in the order of the classes."""
    paths: list[str] = []
    for key, field in kind.fields_by_key().items():
        inner = inner_section(field)
        paths += [f"{prefix}{key}"] if inner is None else leaves(inner, f"{prefix}{key}.")
    return paths


@pytest.mark.parametrize(("path", "value", "message"), MISTAKES)
def test_a_mistake_is_one_line_that_begins_with_the_dotted_path(path, value, message):
    tree = override(TREE, {path: value}) if "." in path else TREE | {path: value}
    (line,) = mistakes_of(tree)
    assert line.startswith(message) and len(line) < 200


@settings(max_examples=60)
@given(st.data())
def test_independent_mistakes_are_as_many_lines_in_the_order_of_the_file(data):
    """Wrong values, absent keys and unknown keys, in any number of params; absent keys have no place."""
    tree, absent, expected = copy.deepcopy(TREE), set[str](), set[str]()
    for number, path in enumerate(data.draw(st.lists(st.sampled_from(leaves()), min_size=1, unique=True))):
        *sections, key = path.split(".")
        node = tree
        for section in sections:
            node = node[section]
        match data.draw(st.sampled_from(["wrong", "absent", "unknown"])):
            case "wrong":
                node[key] = {"a": 1}
                expected.add(path)
            case "absent":
                del node[key]
                absent.add(path)
            case "unknown":
                node[f"xyz{number}"] = 1
                expected.add(".".join([*sections, f"xyz{number}"]))
    named = [line.split(": ")[0] for line in mistakes_of(tree)]
    assert [path for path in named if path not in absent] == [path for path in walk(tree) if path in expected]
    assert {path for path in named if path in absent} == absent and len(named) == len(absent | expected)


def walk(tree: dict[str, Any], prefix: str = "") -> list[str]:
    """Dotted paths of a tree in its own order, sections included."""
    paths: list[str] = []
    for key, value in tree.items():
        paths.append(f"{prefix}{key}")
        paths += walk(value, f"{prefix}{key}.") if isinstance(value, dict) else []
    return paths


@settings(max_examples=60)
@given(st.lists(st.sampled_from(MISTAKES), min_size=2, unique_by=lambda case: case[0].split(".")[0]))
def test_no_mistake_hides_one_of_another_section(cases):
    tree = TREE
    for path, value, _ in cases:
        tree = override(tree, {path: value}) if "." in path else tree | {path: value}
    lines = mistakes_of(tree)
    assert len(lines) == len(cases)
    for _, _, message in cases:
        assert sum(line.startswith(message) for line in lines) == 1


def test_what_depends_on_a_mistake_is_not_reported_and_what_does_not_is():
    changes = {
        "model.embed_dim": -4,
        "model.num_heads": 3,  # 128 was meant: whether 3 divides it, nobody knows
        "model.depth": 0,
        "model.predictor.num_heads": 5,
        "pretrain.seed": -1,
        "pretrain.accumulation": 3,
    }
    assert [line.split(": ")[0] for line in mistakes_of(override(TREE, changes))] == [
        "model.embed_dim",
        "model.depth",
        "model.predictor.num_heads",
        "pretrain.seed",
        "pretrain.accumulation",
    ]


@pytest.mark.parametrize(
    ("section", "wrong", "right"),
    [
        ("model", "dept", "depth"),
        ("sparsity", "lambda_", "lambda"),
        ("pretrain", "learning-rate", "learning_rate"),
    ],
)
def test_a_misspelled_key_is_one_mistake_that_names_the_right_one(section, wrong, right):
    tree = copy.deepcopy(TREE)
    tree[section][wrong] = tree[section].pop(right)
    assert mistakes_of(tree) == [f"{section}.{wrong}: unknown key; did you mean `{right}`?"]


def test_unknown_and_missing_keys_are_named():
    tree = copy.deepcopy(TREE)
    tree["model"]["depths"], tree["data"]["temperature"], tree["data"][1] = 3, 1.0, 2
    tree["modle"] = tree.pop("model")
    del tree["pretrain"]["steps"], tree["runtime"]
    assert mistakes_of(tree) == [
        "data.temperature: unknown key",
        "data.1: a key must be text, got 1",
        "pretrain.steps: missing",
        "modle: unknown key; did you mean `model`?",
        "runtime: missing",
    ]


def test_a_long_or_broken_value_leaves_a_line_short():
    (line,) = mistakes_of(override(TREE, {"pretrain.steps": "many\n" * 100}))
    assert line.endswith("...") and len(line) < 200


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"sparsity.topk": 33}, "sparsity.topk: keeps at most all 32 groups, got 33"),
        (
            {"sparsity.latent_dim": 40},
            "sparsity.latent_dim: must be a multiple of sparsity.groups (32) for topk, got 40",
        ),
    ],
)
def test_topk_has_checks_of_its_own(changes, message):
    tree = override(TREE, changes)
    validate(tree)
    assert mistakes_of(override(tree, {"sparsity.method": "topk"})) == [message]


def test_blocks_of_latents_must_be_equal():
    tree = override(TREE, {"sparsity.latent_dim": 40, "sparsity.method": "oi_vae_blocks"})
    message = "must be a multiple of sparsity.groups (32) for oi_vae_blocks, got 40"
    assert mistakes_of(tree) == [f"sparsity.latent_dim: {message}"]
