"""`python -m pipeline seeds`: settings paired by seed, from a sweep's table or from probe.json files."""

import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
from conftest import REPOSITORY

from pipeline.files import InputError, write_json
from pipeline.orchestration.commands.work.seeds import read_runs, report


def table(path: Path, drop: int = 0) -> Path:
    """Two settings of lambda over four seeds, in no order, as a sweep writes them; the last row failed."""
    rows = [
        {"name": f"l{value}-s{seed}", "state": "done", "sparsity.lambda": value, "pretrain.seed": seed,
         "pretrain.steps": 40, "accuracy": 0.5 + 0.01 * seed + gain, "knn": 0.4,
         "gain": None, "less_twin": 100 * gain, "probe.scenes.labels": 11}
        for value, gain in ((0.1, 0.02), (0, 0.0))
        for seed in (3, 1, 0, 2)
    ]  # fmt: skip
    rows.append(
        {"name": "l0-s9", "state": "failed", "sparsity.lambda": 0, "pretrain.seed": 9, "pretrain.steps": 40}
    )
    pd.DataFrame(rows[: len(rows) - drop]).to_csv(path, index=False)
    return path


def test_settings_are_paired_by_seed_and_not_by_row(tmp_path):
    runs, metrics = read_runs([str(table(tmp_path / "sweep.csv"))], [], None, [])
    assert metrics == ["accuracy", "knn", "less_twin"]
    text = report(runs, metrics, "sparsity.lambda=0.0")
    assert (
        "sparsity.lambda=0.1 less sparsity.lambda=0.0: +0.0200 (95 % +0.0200 to +0.0200), p = 0.125" in text
    )
    assert "4 common seeds (0, 1, 2, 3), with which p can be no smaller than 0.125" in text
    assert "  sparsity.lambda=0.1      4      0.5350      0.0129" in text


def test_by_default_the_difference_from_the_twin_is_compared_where_the_table_has_numbers_of_it(tmp_path):
    path = table(tmp_path / "sweep.csv")
    assert read_runs([str(path)], [], None, [])[1] == ["accuracy", "knn", "less_twin"]
    pd.read_csv(path).assign(less_twin=None).to_csv(path, index=False)  # a sweep without twins
    assert read_runs([str(path)], [], None, [])[1] == ["accuracy", "knn"]


def probes(root: Path) -> list[str]:
    for name, scores in {"dense": (0.5, 0.6), "sparse": (0.55, 0.63)}.items():
        for seed, score in enumerate(scores):
            folder = root / f"{name}{seed}"
            write_json(folder / "probe.json", {"summary": {"scenes": {"mean_accuracy": {"encoder": score}}}})
            write_json(folder / "pretrain.json", {"seed": seed})
    return [f"{name}={root}/{name}{seed}/probe.json" for name in ("dense", "sparse") for seed in (1, 0)]


def test_probe_files_are_paired_by_their_own_seed(tmp_path):
    runs, metrics = read_runs(probes(tmp_path), [], None, ["summary.scenes.mean_accuracy.encoder"])
    text = report(runs, metrics, None)
    assert "sparse less dense: +0.0400 (95 %" in text and "p = 0.5; 2 common seeds (0, 1)" in text


def test_seeds_that_one_setting_lacks_are_left_out(tmp_path):
    runs, metrics = read_runs(probes(tmp_path)[:3], [], None, ["summary.scenes.mean_accuracy.encoder"])
    assert "sparse less dense: +0.0300; 1 common seed (1): no interval, no test" in report(
        runs, metrics, None
    )
    runs.loc[runs["setting"] == "sparse", "seed"] = 7
    assert "no seed in common" in report(runs, metrics, None)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"by": ["model.depth"]}, "--by: .* has no column 'model.depth'; there are name, state"),
        ({"seed": "data.seed"}, "--seed: .* has no column 'data.seed'"),
        ({"metrics": ["rank"]}, "--metric: .* has no column 'rank'"),
        ({"by": ["pretrain.steps"]}, "has seed 3 twice|has seed 1 twice"),
    ],
)
def test_wrong_columns_are_one_line(tmp_path, given, message):
    path = str(table(tmp_path / "sweep.csv", drop=1))
    with pytest.raises(InputError, match=message):
        read_runs([path], given.get("by", []), given.get("seed"), given.get("metrics", []))


def test_wrong_files_metrics_and_baselines_are_one_line(tmp_path):
    with pytest.raises(InputError, match=r"nowhere\.csv: not found"):
        read_runs(["nowhere.csv"], [], None, [])
    with pytest.raises(InputError, match="one table, or several"):
        read_runs(["a.csv", "b.csv"], [], None, [])
    with pytest.raises(InputError, match=r"--metric: .*probe\.json has no scenes\.count"):
        read_runs(probes(tmp_path), [], None, ["scenes.count"])
    with pytest.raises(InputError, match="is no number"):
        read_runs(probes(tmp_path), [], None, ["summary.scenes"])
    runs, metrics = read_runs(probes(tmp_path), [], None, ["summary.scenes.mean_accuracy.encoder"])
    with pytest.raises(InputError, match="--baseline: no setting 'none'; there are dense, sparse"):
        report(runs, metrics, "none")


def test_the_command_prints_it_and_its_mistakes(tmp_path):
    def call(*words: str) -> "subprocess.CompletedProcess[str]":
        command = [sys.executable, "-m", "pipeline", "seeds", *words]
        return subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True)

    done = call(str(table(tmp_path / "sweep.csv")), "--metric", "accuracy")
    assert done.returncode == 0 and "less" in done.stdout and done.stderr == ""
    wrong = call("nowhere.csv")
    assert (wrong.returncode, wrong.stdout, wrong.stderr) == (1, "", "error: nowhere.csv: not found\n")
