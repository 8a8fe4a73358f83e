"""Shared work is one cell's at a time, and is done once."""

from pipeline.orchestration.processes.stop import Stop
from pipeline.orchestration.sweeps.once import Once


def test_the_work_is_the_first_cells_until_it_is_done(tmp_path):
    marker, stop = tmp_path / "shared/data", Stop()
    with Once(marker, stop) as first, Once(marker, stop) as second:
        assert first.take() and not second.take() and not second.done()
        first.finish()
        assert second.done() and not second.wait()
    with Once(marker, stop) as later:
        assert not later.take()


def test_work_that_its_cell_left_undone_falls_to_the_next(tmp_path):
    marker, stop = tmp_path / "shared/twin", Stop()
    with Once(marker, stop) as second:
        with Once(marker, stop) as first:
            assert first.wait() and not second.take()
        assert second.wait() and not second.done()


def test_a_request_to_stop_ends_the_wait(tmp_path):
    marker, stop = tmp_path / "shared/twin", Stop()
    with Once(marker, stop) as first, Once(marker, stop) as second:
        assert first.take()
        stop.request()
        assert not second.wait()
