"""The stages in a row, and DVC around them, as a user runs them."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import yaml
from conftest import REPOSITORY, SMALL, override
from PIL import Image

from pipeline.digests import unsealed
from pipeline.orchestration.commands.work.result import result
from pipeline.params import Params
from stages import __main__ as stages
from stages import embed, interpret, prepare, pretrain, probe, report, twin
from tests.prepare.clevr_folder import write_clevr

TRAIN = [[7.0 + 0.7 * (at % 6)] * (3 + at % 8) for at in range(40)]  # depths of CLEVR's objects, by scene
VAL = TRAIN[:16]
STAGES = (prepare, pretrain, twin, embed, probe, interpret, report)


def run_all(root: Path, params: Params) -> dict:
    for stage in STAGES:
        stage.main(params, root)
    scores = json.loads((root / "reports/metrics/probe.json").read_text())
    for summary in scores["summary"].values():
        assert all(seconds >= 0 for seconds in summary.pop("seconds").values())
    return scores


def finite(content: object) -> bool:
    if isinstance(content, dict):
        return all(map(finite, content.values()))
    return content is not None


def test_scenes_from_params_to_page(tmp_path, small_tree):
    scores = run_all(tmp_path, Params.model_validate(small_tree))
    assert finite(scores)
    assert finite(json.loads((tmp_path / "reports/metrics/interpret.json").read_text()))
    assert {"count", "shape", "orientation", "background_frequency", "light"} <= set(scores["scenes"])
    for label in ("count", "shape"):
        assert {"encoder", "random_init", "pixels_pca", "majority"} <= set(scores["scenes"][label])
        encoder = scores["scenes"][label]["encoder"]
        assert encoder["ci95_low"] <= encoder["accuracy"] <= encoder["ci95_high"]
    assert "foreground_area" in scores["scenes"]["count"]
    page = (tmp_path / "reports/index.html").read_text()
    assert "scenes" in page and "background frequency" in page
    leftovers = [path for path in tmp_path.rglob(".*") if path.name != ".gitignore"]
    assert leftovers == []


@pytest.mark.slow
def test_another_process_gives_the_same_scores(tmp_path, small_tree):
    """Nothing depends on global random state, on time or on the folder."""
    params = Params.model_validate(small_tree)
    first = run_all(tmp_path / "a", params)
    np.random.seed(1)  # noqa: NPY002
    second = run_all(tmp_path / "b", params)
    assert unsealed(first) == unsealed(second)  # the digest is of the seconds too
    for name in ("config.json", "model.safetensors"):
        ours, theirs = (tmp_path / side / "artifacts/encoder" / name for side in "ab")
        assert ours.read_bytes() == theirs.read_bytes()


def test_a_folder_of_photographs_from_params_to_page(tmp_path, small_tree):
    draw = np.random.default_rng(0)
    for split, count in (("train", 120), ("test", 30)):
        for tint, name in enumerate(("cat", "dog <&>")):
            folder = tmp_path / "photos" / split / name
            folder.mkdir(parents=True)
            for number in range(count):
                pixels = draw.integers(0, 128, (40, 48, 3)) + 100 * tint
                Image.fromarray(pixels.astype(np.uint8)).save(folder / f"{number}.jpg")
    changes = {
        "data.name": "folder",
        "data.root": str(tmp_path / "photos"),
        "pretrain.monitor_images": 100,
        "probe.knn_neighbors": 5,
    }
    scores = run_all(tmp_path, Params.model_validate(override(small_tree, changes)))
    assert set(scores["folder"]) == {"class"}
    assert scores["folder"]["class"]["pixels_pca"]["accuracy"] > 0.95  # the tint is plain to see
    metrics = json.loads((tmp_path / "reports/metrics/pretrain.json").read_text())
    assert metrics["augment"]["crop"] and metrics["augment"]["flip"]
    assert "dog &lt;&amp;&gt;" in (tmp_path / "reports/index.html").read_text()


def test_images_without_labels_from_params_to_page(tmp_path, small_tree, capsys):
    draw = np.random.default_rng(0)
    (tmp_path / "photos").mkdir()
    for number in range(240):
        pixels = draw.integers(0, 200, (8, 8, 3)).astype(np.uint8)
        Image.fromarray(pixels).resize((32, 32)).save(tmp_path / f"photos/{number}.png")
    changes = {
        "data.name": "folder",
        "data.root": str(tmp_path / "photos"),
        "pretrain.monitor_images": 100,
        "probe.knn_neighbors": 5,
    }
    scores = run_all(tmp_path, Params.model_validate(override(small_tree, changes)))
    said = capsys.readouterr().out
    assert "192 train and 48 test images of 32x32, no label" in said
    assert "folder: no label to probe, so no accuracy says how good the features are" in said
    assert scores["folder"] == {} and scores["summary"]["folder"]["mean_accuracy"] == {}
    metrics = json.loads((tmp_path / "reports/metrics/pretrain.json").read_text())
    assert metrics["final"]["rankme"] > 1 and "knn_accuracy" not in metrics["final"]
    assert json.loads((tmp_path / "reports/metrics/interpret.json").read_text())["folder"]["factors"] == []
    card = (tmp_path / "artifacts/encoder/README.md").read_text()
    assert "RankMe" in card and "k-NN" not in card and "license: other" in card
    page = (tmp_path / "reports/index.html").read_text()
    assert "No label of folder has classes, so no accuracy says how good the features are" in page
    assert page.count("No label of this set can be probed") == 1
    assert "No label of this set can be probed" in (tmp_path / "reports/README.md").read_text()
    assert "How training went" in page and "total correlation" in page
    assert "They use" in result(tmp_path)


def test_two_sets_are_embedded_and_probed_by_one_encoder(tmp_path, small_tree):
    draw = np.random.default_rng(0)
    for split in ("train", "test"):
        for name in ("a", "b"):
            folder = tmp_path / "photos" / split / name
            folder.mkdir(parents=True)
            for number in range(60):
                Image.fromarray(draw.integers(0, 256, (32, 32, 3)).astype(np.uint8)).save(
                    folder / f"{number}.png"
                )
    write_clevr(tmp_path / "CLEVR_v1.0", TRAIN, VAL)
    changes = {
        "data.name": "folder",
        "data.root": str(tmp_path / "photos"),
        "embed.sets": [
            "scenes",
            f"pairs:{tmp_path}/photos",
            f"clevr:{tmp_path}/CLEVR_v1.0",
        ],
        "pretrain.monitor_images": 100,
        "pretrain.batch_size": 16,
        "probe.knn_neighbors": 5,
    }
    tree = override(small_tree, changes)
    scores = run_all(tmp_path, Params.model_validate(tree))
    assert set(unsealed(scores)) == {"summary", "folder", "scenes", "pairs", "clevr"}
    assert "shape" in scores["scenes"] and "patch_object" in scores["scenes"]
    assert {"accuracy", "r2"} <= set(scores["clevr"]["count_all"]["encoder"])
    assert set(scores["clevr"]) == {"count_all", "closest_object_distance"}


@pytest.fixture(scope="module")
def clone(tmp_path_factory) -> Path:
    """A clone of the committed project whose params are small."""
    if shutil.which("dvc") is None or not (REPOSITORY / ".git").exists():
        pytest.skip("needs DVC on the PATH and a Git repository")
    folder = tmp_path_factory.mktemp("clone") / "project"
    subprocess.run(["git", "clone", "--quiet", str(REPOSITORY), str(folder)], check=True)
    params = folder / "params.yaml"
    params.write_text(yaml.safe_dump(override(yaml.safe_load(params.read_text()), SMALL)))
    return folder


def dvc(folder: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return subprocess.run(
        ["dvc", *arguments],
        cwd=folder,
        env=os.environ | {"PATH": path},
        capture_output=True,
        text=True,
    )


def ran(repro: "subprocess.CompletedProcess[str]") -> list[str]:
    """The stages that it ran, in their order."""
    return re.findall(r"^Running stage '(\w+)'", repro.stdout, re.MULTILINE)


@pytest.mark.slow
def test_repro_in_a_clone_runs_all_stages_once_and_then_none(clone):
    first = dvc(clone, "repro")
    assert first.returncode == 0, first.stderr
    assert ran(first) == [*stages.STAGES]
    again = dvc(clone, "repro")
    assert again.returncode == 0 and "Running stage" not in again.stdout


@pytest.mark.slow
def test_runtime_changes_rerun_nothing_and_a_probe_param_reruns_probe_and_report(clone):
    assert dvc(clone, "repro").returncode == 0
    params = clone / "params.yaml"
    tree = yaml.safe_load(params.read_text())
    params.write_text(yaml.safe_dump(override(tree, {"runtime.log_seconds": 3.0})))
    assert ran(dvc(clone, "repro")) == ["params"]  # which looks at all of them
    params.write_text(yaml.safe_dump(override(tree, {"probe.bootstrap": 110})))
    assert ran(dvc(clone, "repro")) == ["params", "probe", "report"]


@pytest.mark.slow
def test_a_bad_param_stops_repro_with_its_line(clone):
    params = clone / "params.yaml"
    before = params.read_text()
    params.write_text(yaml.safe_dump(override(yaml.safe_load(before), {"model.num_heads": 3})))
    done = dvc(clone, "repro")
    params.write_text(before)
    assert done.returncode != 0
    assert "model.num_heads: must divide model.embed_dim (32), got 3" in done.stdout + done.stderr


@pytest.mark.slow
def test_an_archive_without_git_reproduces_and_says_what_needs_git(tmp_path, clone):
    folder = tmp_path / "archive"
    shutil.copytree(clone, folder, ignore=shutil.ignore_patterns(".git", "artifacts", "runs", "cache", "tmp"))
    (folder / ".venv").symlink_to(Path(sys.executable).parent.parent)
    ceiling = os.environ | {"GIT_CEILING_DIRECTORIES": str(tmp_path)}
    made = subprocess.run(
        ["make", "-o", ".venv/.ready", "repro"], cwd=folder, env=ceiling, capture_output=True, text=True
    )
    assert made.returncode == 0, made.stdout + made.stderr
    for stage in ("prepare", "pretrain", "embed"):  # what artifacts/ held; equal metrics are not remade
        assert f"Running stage '{stage}'" in made.stdout
    assert [line for line in made.stdout.splitlines() if "No Git repository here" in line]
    assert made.stdout.rstrip().endswith("reports/index.html")
