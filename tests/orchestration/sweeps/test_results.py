"""Tables of a sweep: what is done counts once, mean and spread are over seeds, the front is not beaten."""

import csv
import dataclasses
import io
import re

import pytest
from conftest import REPOSITORY

from pipeline.orchestration.sweeps import page as sweep_page
from pipeline.orchestration.sweeps import results
from pipeline.orchestration.sweeps.console import Console, clock
from pipeline.orchestration.sweeps.grid import Cell
from pipeline.orchestration.sweeps.job import Outcome
from pipeline.orchestration.sweeps.results import HEADLINE, Row
from pipeline.report.tables import DASH


def row(lambda_: float, seed: int, accuracy: float | None, zeros: float | None, state: str = "done") -> Row:
    swept = {"sparsity.lambda": lambda_, "pretrain.seed": seed}
    cell = Cell(
        f"t_{lambda_:g}_{seed}",
        f"lambda={lambda_:g} seed={seed}",
        swept | {"pretrain.steps": 6},
        swept,
        data_key="",
        twin_key=None,
        twin_axes=("pretrain.seed",),
        together_key=None,
    )
    headline = dict.fromkeys(HEADLINE) | {"accuracy": accuracy, "zero_share": zeros, "dci_z": 2.0 + seed}
    reason = "the <loss> is not finite | twice" if state == "failed" else ""
    twin = dict.fromkeys(HEADLINE) | {"accuracy": 0.55 + 0.04 * seed, "zero_share": 0.0}
    if accuracy is not None:
        headline["less_twin"] = 100 * (accuracy - twin["accuracy"])
    return Row(cell, state, reason, "abc", headline, {"probe.scenes.gain": 1.5}, "cpu", twin)


ROWS = [
    row(0, 0, 0.60, 0.0),
    row(0, 1, 0.64, 0.0),
    row(0.1, 0, 0.58, 0.5),
    row(0.1, 1, None, None, state="failed"),
    row(0.3, 0, 0.50, 0.4),
]


def test_mean_and_sample_standard_deviation_are_of_the_seeds_that_are_done():
    dense, sparse, _ = results.by_setting(ROWS)
    assert (dense.count, dense.cells) == (2, 2) and (sparse.count, sparse.cells) == (1, 2)
    assert dense.mean["accuracy"] == pytest.approx(0.62)
    assert dense.spread["accuracy"] == pytest.approx(0.02 * 2**0.5)
    assert sparse.mean["accuracy"] == 0.58 and sparse.spread["accuracy"] is None


def test_the_difference_from_the_twin_is_paired_over_seeds():
    """Accuracies of .60 and .64 beside twins of .55 and .59: five points on each seed, without deviation."""
    dense, sparse, _ = results.by_setting(ROWS)
    assert dense.mean["less_twin"] == pytest.approx(5) and dense.spread["less_twin"] == pytest.approx(0)
    assert sparse.mean["less_twin"] == pytest.approx(3) and sparse.spread["less_twin"] is None


def test_the_twin_of_a_seed_counts_once_however_many_cells_share_it():
    (twin,) = results.dense_twins(ROWS)
    assert (twin.swept, twin.count, twin.cells) == ({}, 2, 2)
    assert twin.mean["accuracy"] == pytest.approx(0.57)
    assert twin.spread["accuracy"] == pytest.approx(0.02 * 2**0.5)
    assert results.dense_twins([dataclasses.replace(row, twin=None) for row in ROWS]) == []


def test_an_axis_that_the_twin_depends_on_makes_a_twin_for_each_of_its_values(tmp_path):
    rows = []
    for rate in (0.001, 0.004):
        for row in ROWS[:3]:
            swept = row.cell.swept | {"pretrain.learning_rate": rate}
            axes = ("pretrain.learning_rate", "pretrain.seed")
            cell = dataclasses.replace(row.cell, swept=swept, overrides=swept, twin_axes=axes)
            twin = dict.fromkeys(HEADLINE) | {"accuracy": 0.5 + rate, "zero_share": 0.0}
            rows.append(dataclasses.replace(row, cell=cell, twin=twin))
    low, high = results.dense_twins(rows)
    assert low.swept == {"pretrain.learning_rate": 0.001} and low.mean["accuracy"] == pytest.approx(0.501)
    assert high.swept == {"pretrain.learning_rate": 0.004} and (high.count, high.cells) == (2, 2)
    columns, table = sweep_page.settings_table(results.by_setting(rows), [low, high])
    assert columns[:3] == ["lambda", "learning_rate", "seeds done"]
    assert table[-1][:3] == [DASH, "0.004", "dense twin: 2 of 2"]
    figure = sweep_page.write(tmp_path, "trial", "command", "0" * 40, rows)[3].read_text()
    assert figure.count(">dense twin</text>") == 1 and ">0.1, 0.004</text>" in figure


def test_no_setting_on_the_front_is_beaten_in_both():
    front = results.pareto(results.by_setting(ROWS))
    assert [setting.swept["sparsity.lambda"] for setting in front] == [0, 0.1]


def test_a_method_without_zeros_has_a_row_but_no_place_on_the_front():
    settings = results.by_setting([*ROWS, row(1, 0, 0.9, None)])
    assert len(settings) == 4 and len(results.pareto(settings)) == 2


def test_the_csv_holds_every_cell_with_params_and_numbers():
    rows = list(csv.DictReader(io.StringIO(results.table(ROWS))))
    assert [row["state"] for row in rows] == ["done", "done", "done", "failed", "done"]
    assert rows[2]["sparsity.lambda"] == "0.1" and rows[2]["accuracy"] == "0.58"
    assert rows[3]["accuracy"] == "" and rows[0]["probe.scenes.gain"] == "1.5"


def test_the_pages_show_cells_reasons_and_the_figure(tmp_path):
    paths = sweep_page.write(tmp_path, "trial", "python -m pipeline sweep", "0" * 40, ROWS)
    page, markdown, _, figure = (path.read_text() for path in paths)
    assert "62.0 ± 2.8" in page and "62.0 ± 2.8" in markdown
    assert "<th>DCI z</th>" in page and "<td>2.5 ± 0.7" in page and "| 2.5 ± 0.7" in markdown
    assert "above random groups of the same sizes" in page and "above random groups" in markdown
    assert "the &lt;loss&gt; is not finite" in page and r"finite \| twice" in markdown
    assert "<td>+5.0 ± 0.0</td>" in page and "| +5.0 ± 0.0 |" in markdown
    assert f"| {DASH} | dense twin: 2 of 2 | 57.0 ± 2.8 |" in markdown and ">dense twin</text>" in figure
    assert "lambda=0.3 seed=0" in page and "<svg" in page and figure.startswith("<svg")
    assert not re.search(r"(?:src|href)=\"https?:", page)


def test_without_a_twin_neither_page_nor_figure_names_it(tmp_path):
    rows = [dataclasses.replace(row, twin=None) for row in ROWS]
    page, markdown, _, figure = sweep_page.write(tmp_path, "trial", "command", "0" * 40, rows)
    assert "dense twin: " not in page.read_text() + markdown.read_text()
    assert "dense twin" not in figure.read_text() and "open diamond" not in page.read_text()


def test_equal_results_leave_the_files_alone_and_new_ones_replace_them(tmp_path):
    def write(rows: list[Row]) -> list[int]:
        paths = sweep_page.write(tmp_path, "trial", "command", "0" * 40, rows)
        return [path.stat().st_mtime_ns for path in paths]

    first = write(ROWS)
    assert write(ROWS) == first
    assert write(ROWS[:-1])[0] != first[0]


def test_a_sweep_without_a_result_has_tables_too(tmp_path):
    paths = sweep_page.write(tmp_path, "trial", "command", "0" * 40, [row(0, 0, None, None, "failed")])
    assert "Accuracy against sparsity" not in paths[0].read_text() and paths[3].exists()


MEASURED = results.read_measured(REPOSITORY)  # what the shipped stages wrote in the last run of the default


def test_the_headline_is_what_the_stages_wrote_of_the_set_that_was_trained_on():
    headline = results.headline(MEASURED)
    assert list(headline) == list(HEADLINE) and None not in headline.values()
    assert headline["accuracy"] == MEASURED.probe.summary["scenes"].mean_accuracy["encoder"]
    assert MEASURED.interpret is not None
    groups = MEASURED.interpret.sets["scenes"].codes["encoder"]
    assert headline["dci_z"] == groups.content()["dci_disentanglement_null_z"]
    less_twin = MEASURED.probe.summary["scenes"].less_twin
    assert less_twin is not None and headline["less_twin"] == 100 * (less_twin["accuracy"].mean or 0)
    assert headline["collapsed"] == float(MEASURED.pretrain.collapsed)


def test_without_a_number_of_interpretability_there_is_a_dash():
    without = MEASURED._replace(interpret=None)
    assert results.headline(without)["dci_z"] is None and sweep_page.value("dci_z", None) == DASH
    assert not any(path.startswith("interpret") for path in results.numbers(without))


def test_the_headline_of_the_twin_has_what_is_known_of_it():
    twin = results.twin_headline(MEASURED)
    assert twin is not None and list(twin) == list(HEADLINE)
    assert twin["accuracy"] == MEASURED.probe.summary["scenes"].mean_accuracy["twin"]
    assert twin["zero_share"] == 0 and twin["less_twin"] is None
    assert MEASURED.interpret is not None
    assert twin["dci_z"] == MEASURED.interpret.twin["scenes"].dci_disentanglement_null_z


def test_every_number_of_the_stages_is_listed_by_its_path_and_no_text_is():
    numbers = results.numbers(MEASURED)
    assert numbers["probe.scenes.rankme.encoder"] == MEASURED.probe.summary["scenes"].rankme["encoder"]
    assert numbers["pretrain.sparsity.groups"] == MEASURED.pretrain.sparsity.groups
    assert "interpret.scenes.mig" in numbers and "interpret.scenes.dci_disentanglement_null_z" in numbers
    assert "probe.scenes.less_twin.accuracy.ci95_low" in numbers
    assert "probe.scenes.less_twin.knn_accuracy.mean" in numbers
    assert "pretrain.sparsity.method" not in numbers
    assert all(isinstance(value, int | float) for value in numbers.values())


def test_the_terminal_says_what_is_over_and_how_long_the_rest_takes(capsys):
    console = Console("trial", cells=5, waiting=4, jobs=2)
    console.ended(ROWS[0], Outcome("t", "done", 60.0, ran=("probe",)))
    console.ended(ROWS[3], Outcome("t", "failed", 120.0, reason="x"))
    first, second, third = capsys.readouterr().out.splitlines()
    assert first == "sweep trial: 5 cells, 1 done before, 4 to run, 2 at a time"
    assert second.endswith(
        "accuracy 60.0 %, less twin +5.0, zero columns 0.0 %, ran probe; 1:00 [2/5, 1:30 left]"
    )
    assert third.endswith("the <loss> is not finite | twice; 2:00 [3/5, 1:30 left]")
    assert clock(3725) == "1:02:05"
