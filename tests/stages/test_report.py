"""Claims about the stage `report`: whole outputs, the same bytes each time, mistakes named."""

import os
import shutil
from pathlib import Path

import pytest
from conftest import override

from pipeline.files import InputError, read_json
from pipeline.params import Params
from stages import report
from tests.finished_run import FinishedRun


@pytest.fixture(scope="module")
def params(finished_run: FinishedRun) -> Params:
    return finished_run.params


def copy_inputs(source: Path, root: Path) -> Path:
    for folder in ("reports/metrics", "reports/plots", "artifacts/data"):
        shutil.copytree(source / folder, root / folder)
    return root


@pytest.fixture(scope="module")
def finished(finished_run: FinishedRun, tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = copy_inputs(finished_run.root, tmp_path_factory.mktemp("run"))
    report.main(finished_run.params, root)
    return root


@pytest.fixture
def unreported(finished_run: FinishedRun, tmp_path: Path) -> Path:
    return copy_inputs(finished_run.root, tmp_path)


def outputs(root: Path) -> dict[str, bytes]:
    reports = root / "reports"
    files = [reports / "index.html", reports / "README.md", *sorted((reports / "figures").iterdir())]
    return {str(path.relative_to(reports)): path.read_bytes() for path in files}


def test_the_summary_has_the_numbers_of_the_metrics_files(finished: Path):
    metrics = {
        stage: read_json(finished / f"reports/metrics/{stage}.json")
        for stage in ("summary", "probe", "pretrain", "interpret")
    }
    summary, probes = metrics["summary"], metrics["probe"]["summary"]["scenes"]
    shares = {
        "accuracy_percent": probes["mean_accuracy"]["encoder"],
        "validation_accuracy_percent": probes["mean_validation_accuracy"]["encoder"],
        "less_twin_points": probes["less_twin"]["accuracy"]["mean"],
        "less_twin_ci95_low_points": probes["less_twin"]["accuracy"]["ci95_low"],
        "less_twin_ci95_high_points": probes["less_twin"]["accuracy"]["ci95_high"],
        "less_random_init_points": probes["less_baselines"]["random_init"]["accuracy"]["mean"],
        "knn_accuracy_percent": probes["mean_knn_accuracy"]["encoder"],
        "zeros_percent": metrics["pretrain"]["zero_share"],
    }
    assert {key: summary[key] for key in shares} == pytest.approx(
        {key: 100 * share for key, share in shares.items()}, abs=1e-3
    )
    assert summary["groups_share_nats"] == metrics["interpret"]["summary"]["scenes"]["tc_between"]
    assert summary["rankme_directions"] == metrics["pretrain"]["final"]["rankme"]
    assert len(summary) == 13


def test_it_writes_the_page_the_readme_and_the_figures(finished: Path):
    written = outputs(finished)
    assert {
        "index.html",
        "README.md",
        "figures/less_twin_scenes.svg",
        "figures/masks.png",
        "figures/probe_scenes_accuracy.svg",
        "figures/total_correlation.svg",
        "figures/skill_encoder.svg",
        "figures/ablation_drop_twin.svg",
        "figures/confusion_scenes.svg",
        "figures/map_pca_encoder.svg",
        "figures/neighbors.jpg",
        "figures/tokens.png",
        "figures/objects.png",
        "figures/groups.jpg",
    } <= set(written)
    assert len(written["index.html"]) < 5e6
    assert not list((finished / "reports").rglob(".*"))  # temporary siblings


def test_the_same_inputs_give_the_same_bytes(
    finished: Path, unreported: Path, params: Params, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setitem(os.environ, "SOURCE_DATE_EPOCH", "1")
    report.main(params, unreported)
    assert outputs(unreported) == outputs(finished)


@pytest.mark.parametrize(
    "missing",
    [
        "reports/metrics/prepare.json",
        "reports/metrics/pretrain.json",
        "reports/metrics/twin.json",
        "reports/metrics/probe.json",
        "reports/metrics/interpret.json",
        "reports/plots/training.csv",
        "reports/plots/twin.csv",
        "reports/plots/interpret_groups.csv",
        "reports/plots/interpret_tokens.csv",
        "reports/plots/probe_confusion.csv",
        "artifacts/data/scenes/meta.json",
    ],
)
def test_a_missing_input_is_named(unreported: Path, params: Params, missing: str):
    (unreported / missing).unlink()
    with pytest.raises(InputError, match=missing):
        report.main(params, unreported)
    assert not (unreported / "reports/index.html").exists()


def test_metrics_of_another_set_are_refused(unreported: Path, params: Params):
    tree = params.model_dump(mode="json", by_alias=True)
    other = Params.model_validate(override(tree, {"data.name": "cifar10"}))
    with pytest.raises(InputError, match=r"prepare\.json: has no set cifar10; .*dvc repro -f -s prepare"):
        report.main(other, unreported)


def test_metrics_of_an_older_shape_are_named_with_the_command_that_makes_them_anew(
    unreported: Path, params: Params
):
    (unreported / "reports/metrics/pretrain.json").write_text("{}")
    with pytest.raises(InputError, match=r"pretrain\.json: zero_share: .*dvc repro -f -s pretrain"):
        report.main(params, unreported)
