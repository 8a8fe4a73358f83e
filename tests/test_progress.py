"""Progress as lines in a file: whole lines only, the newest counts, and no stage minds who reads."""

import json
import math

import pytest

from pipeline.progress import VARIABLE, Progress, ProgressFile, report


@pytest.fixture
def file(tmp_path, monkeypatch) -> ProgressFile:
    monkeypatch.setenv(VARIABLE, str(tmp_path / "reports"))
    return ProgressFile(tmp_path / "reports")


def test_the_newest_report_since_the_last_look_is_what_was_reported(file):
    report("pretrain", 10, 40, "steps", loss=1.0)
    report("pretrain", 20, 40, "steps", loss=0.5, seconds_left=65.0)
    assert file.newest() == Progress("pretrain", 20, 40, "steps", {"loss": 0.5, "seconds_left": 65.0})
    assert file.newest() is None
    report("embed", 3, 3, "images")
    assert file.newest() == Progress("embed", 3, 3, "images", {})


def test_a_line_that_is_still_being_written_waits_for_its_end(file):
    report("pretrain", 1, 2, "steps")
    text = file.path.read_text()
    file.path.write_text(text + text[:-5])
    assert file.newest() == Progress("pretrain", 1, 2, "steps", {})
    assert file.newest() is None
    file.path.write_text(text + text)
    assert file.newest() is not None


def test_what_is_not_finite_is_left_out_so_that_every_line_is_json(file):
    report("pretrain", 1, 2, "steps", loss=math.nan, seconds_left=math.inf, images_per_second=9.0)
    line = json.loads(file.path.read_text(), parse_constant=pytest.fail)
    assert line["detail"] == {"images_per_second": 9.0}


def test_nothing_is_written_without_the_variable_and_a_lost_folder_fails_no_stage(tmp_path, monkeypatch):
    monkeypatch.delenv(VARIABLE, raising=False)
    monkeypatch.chdir(tmp_path)
    report("prepare", 1, 2, "images")
    monkeypatch.setenv(VARIABLE, str(tmp_path / "gone" / "reports"))
    report("prepare", 2, 2, "images")
    assert list(tmp_path.iterdir()) == []
    assert ProgressFile(tmp_path / "gone" / "reports").newest() is None


def test_percent_and_words():
    shown = Progress(
        "pretrain", 1200, 2400, "steps", {"loss": 0.51234, "images_per_second": 2941.3, "seconds_left": 65}
    )
    assert shown.percent == 50.0
    assert shown.in_words() == "pretrain: 1,200 of 2,400 steps, loss 0.5123, 2,941 images/s, 1:05 left"
    assert Progress("embed", 0, 0, "images", {}).percent == 100.0
