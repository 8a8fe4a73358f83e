"""Claims about the stage `report`: whole outputs, the same bytes each time, mistakes named."""

import os
import shutil
from pathlib import Path

import pytest

from pipeline import params
from pipeline.files import InputError
from stages import report
from tests.report import samples

PARAMS = params.load(samples.REPOSITORY / "params.yaml")


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = samples.write_run(tmp_path_factory.mktemp("run"))
    report.main(PARAMS, root)
    return root


@pytest.fixture
def unreported(finished: Path, tmp_path: Path) -> Path:
    for folder in ("reports/metrics", "reports/plots", "artifacts"):
        shutil.copytree(finished / folder, tmp_path / folder)
    return tmp_path


def outputs(root: Path) -> dict[str, bytes]:
    reports = root / "reports"
    files = [reports / "index.html", reports / "README.md", *sorted((reports / "figures").iterdir())]
    return {str(path.relative_to(reports)): path.read_bytes() for path in files}


def test_it_writes_the_page_the_readme_and_the_figures(finished: Path):
    written = outputs(finished)
    assert {
        "index.html",
        "README.md",
        "figures/masks.png",
        "figures/probe_scenes_accuracy.svg",
        "figures/total_correlation.svg",
        "figures/factor_groups.svg",
        "figures/ablation.svg",
        "figures/objects.png",
        "figures/groups.jpg",
    } <= set(written)
    assert len(written["index.html"]) < 1.5e6
    assert not list((finished / "reports").rglob(".*"))  # temporary siblings


def test_the_same_inputs_give_the_same_bytes(
    finished: Path, unreported: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setitem(os.environ, "SOURCE_DATE_EPOCH", "1")
    report.main(PARAMS, unreported)
    assert outputs(unreported) == outputs(finished)


@pytest.mark.parametrize(
    "missing",
    [
        "reports/metrics/prepare.json",
        "reports/metrics/pretrain.json",
        "reports/metrics/probe.json",
        "reports/metrics/interpret.json",
        "reports/plots/training.csv",
        "reports/plots/interpret_groups.csv",
        "artifacts/data/scenes/meta.json",
    ],
)
def test_a_missing_input_is_named(unreported: Path, missing: str):
    (unreported / missing).unlink()
    with pytest.raises(InputError, match=missing):
        report.main(PARAMS, unreported)
    assert not (unreported / "reports/index.html").exists()


@pytest.mark.parametrize("content", ["", "loss\n1.0\n", 'a,b\n1,"2\n'])
def test_a_history_that_is_no_table_is_named(tmp_path: Path, content: str):
    (tmp_path / "training.csv").write_text(content)
    with pytest.raises(InputError, match=r"training\.csv"):
        report.read_table(tmp_path / "training.csv", "step")
