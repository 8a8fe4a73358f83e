"""A stack of runs of the studies: what it leaves."""

import pandas as pd
import pytest
import torch
import yaml

from benchmarks.study import stacks
from pipeline.data.store import open_set


def test_a_stack_leaves_a_row_a_run(finished_run, tmp_path, monkeypatch):
    tree = finished_run.params.model_dump(mode="json", by_alias=True)
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(tree))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(stacks, "PROBES", 1)
    data = finished_run.root / "artifacts/data" / finished_run.params.data.name
    cells = [stacks.Cell("lambda0", 10), stacks.Cell("lambda0.1", 10)]
    rows, states = tmp_path / "rows.csv", tmp_path / "states"
    stacks.train(stacks.Job("scenes", cells, data, rows, states, transfer={"scenes": data}))
    assert not list(states.iterdir())
    written = pd.read_csv(rows).set_index("setting")
    assert list(written.index) == ["lambda0", "lambda0.1"] and set(written["seed"]) == {10}
    assert written.loc["lambda0", "zero_share"] == 0
    labels = [column for column in written.columns if column.startswith("linear, ")]
    assert written["linear"].tolist() == pytest.approx(written[labels].mean(axis=1).tolist())
    assert written[["noise60", "gaussian_noise", "DCI z", "selectivity z"]].notna().to_numpy().all()
    for label in stacks.TRANSFER["scenes"]:  # the same images, so the same probe
        assert written[f"scenes, {label}"].tolist() == pytest.approx(written[f"linear, {label}"].tolist())


def test_groups_of_one_feature_are_no_other_than_random_ones(finished_run):
    params = finished_run.params.model_copy(
        update={"sparsity": finished_run.params.sparsity.model_copy(update={"groups": 8})}
    )
    images = open_set(finished_run.root / "artifacts/data" / params.data.name)
    draw = torch.Generator().manual_seed(0)
    features = {
        split: torch.randn(len(images.split(split)), 8, generator=draw) for split in ("train", "test")
    }
    numbers = stacks.describe_groups(images, features, params)
    assert "DCI" in numbers and "DCI z" not in numbers
