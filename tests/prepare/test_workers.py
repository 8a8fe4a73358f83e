"""Several processes give what one gives, and fail as one does."""

import io
import operator
import os
from pathlib import Path

import pytest

from pipeline import params
from pipeline.files import InputError
from pipeline.prepare.workers import Progress, chunks_of, map_in_order, num_workers


def test_results_come_in_the_order_of_the_tasks():
    with map_in_order(operator.add, ((number, 1) for number in range(50)), workers=2) as results:
        assert list(results) == list(range(1, 51))


def test_few_tasks_are_handed_out_before_results_are_taken():
    handed_out = []

    def tasks():
        for number in range(100):
            handed_out.append(number)
            yield number, 1

    with map_in_order(operator.add, tasks(), workers=2) as results:
        next(results)
        assert len(handed_out) <= 6


@pytest.mark.parametrize("workers", [1, 2])
def test_an_input_error_in_a_worker_comes_out_as_itself(workers):
    tasks = [(Path("no-such.yaml"),)] * 2
    with (
        pytest.raises(InputError, match=r"no-such\.yaml: not found"),
        map_in_order(params.load, tasks, workers) as results,
    ):
        list(results)


def test_a_killed_worker_is_one_line_that_names_the_param():
    with (
        pytest.raises(InputError, match=r"runtime\.workers"),
        map_in_order(os._exit, [(9,), (9,)], workers=2) as results,
    ):
        list(results)


def test_no_task_is_no_result_and_one_task_needs_no_process():
    with map_in_order(operator.add, [], workers=4) as results:
        assert list(results) == []
    with map_in_order(os.getpid, [()], workers=4) as results:
        assert list(results) == [os.getpid()]


def test_zero_workers_is_one_per_core_and_other_numbers_are_kept():
    assert num_workers(0) >= 1
    assert num_workers(3) == 3


def test_chunks_hold_everything_once_and_in_order():
    assert list(chunks_of(range(7), 3)) == [[0, 1, 2], [3, 4, 5], [6]]


def test_without_a_terminal_progress_is_whole_lines_at_the_asked_interval(capsys):
    for log_seconds, expected in ((1e-9, ["scenes: 10 of 20 images", "scenes: 20 of 20 images"]), (1e9, [])):
        with Progress("scenes", 20, log_seconds) as progress:
            progress.update(10)
            progress.update(10)
        assert capsys.readouterr().err.splitlines() == expected


def test_a_line_of_progress_is_one_write_that_a_stop_cannot_part(monkeypatch):
    written: list[str] = []

    class Terminal(io.StringIO):
        def write(self, text: str) -> int:
            written.append(text)
            return len(text)

    monkeypatch.setattr("sys.stderr", Terminal())
    with Progress("scenes", 20, log_seconds=1e-9) as progress:
        progress.update(10)
    assert [text for text in written if text] == ["scenes: 10 of 20 images\n"]
