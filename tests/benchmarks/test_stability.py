"""Likeness of groups over seeds: planted groups are alike, random ones are not; mistakes are one line."""

import sys

import numpy as np
import yaml

from benchmarks import stability
from benchmarks.stability import Skills
from tests.interpret.planted import interpret_params, planted


def skills(seed: int, name: str, order: list[int]) -> Skills:
    codes, factors = planted()
    code = stability.Code(codes[name].train, codes[name].test, codes[name].partition[order])
    return Skills(seed, stability._skills(code, factors, interpret_params()), None)


def test_groups_that_hold_the_same_factors_are_alike_in_any_order_and_mixtures_are_not():
    runs = [
        skills(0, "within", [0, 1, 2, 3]),
        skills(1, "within", [2, 0, 3, 1]),
        skills(2, "noise", [0, 1, 2, 3]),
    ]
    table = stability.pairs(runs).set_index(["seed", "other seed"])
    assert table.loc[(0, 1), "encoder stability"] > 0.99 and table.loc[(0, 1), "encoder z"] > 3
    assert table.loc[(0, 2), "encoder z"] < 3
    assert "twin z" not in table


def test_a_finished_run_is_as_like_itself_as_can_be_and_so_is_its_twin(finished_run, tmp_path):
    (tmp_path / "artifacts").symlink_to(finished_run.root / "artifacts")
    tree = finished_run.params.model_dump(mode="json", by_alias=True)
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(tree))
    run = stability.read_skills(tmp_path)
    (row,) = stability.pairs([run, run]).to_dict("records")
    assert np.isclose(row["encoder stability"], 1) and np.isclose(row["twin stability"], 1)


def test_too_few_folders_and_one_without_a_run_are_one_line(tmp_path, monkeypatch, capsys):
    for arguments in (["NAME", "a"], ["NAME", str(tmp_path), str(tmp_path)]):
        monkeypatch.setattr(sys, "argv", ["stability", *arguments])
        assert stability.main() in (1, 2)
        error = capsys.readouterr().err
        assert error.startswith("error: ") and error.count("\n") == 1
