"""The program of docs/minimal.md runs, learns, and makes columns of W exactly zero."""

import re
from typing import Any

import pytest
from conftest import REPOSITORY

PAGE = (REPOSITORY / "docs/minimal.md").read_text()


@pytest.fixture(scope="module")
def program() -> dict[str, Any]:
    """The names that the page's one code block defines."""
    [block] = re.findall(r"^```python\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    names: dict[str, Any] = {"__name__": "minimal"}
    exec(compile(block, "docs/minimal.md", "exec"), names)
    return names


def test_the_loss_falls_and_columns_become_exactly_zero(program, capsys):
    rows = program["train"](steps=48)
    losses, zero_shares = [row[1] for row in rows], [row[4] for row in rows]
    assert losses[-1] < losses[0] / 2
    assert zero_shares[0] == 0 and zero_shares[-1] > 0.5
    assert len(capsys.readouterr().out.splitlines()) == len(rows)


def test_without_lambda_no_column_vanishes_and_features_still_differ_between_images(program):
    rows = program["train"](steps=24, lambda_=0.0)
    assert [row[4] for row in rows] == [0.0] * len(rows)
    assert rows[-1][3] > 0.5


def test_targets_are_never_context(program):
    context, targets = program["draw_masks"](500)
    assert not (context[:, :, None] == targets[:, None]).any()
