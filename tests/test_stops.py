"""A stop waits for the bodies that it must not cut short, and is never lost."""

import threading

import pytest

from pipeline.stops import finish_first, stop


def test_a_stop_comes_at_once_or_when_the_outermost_body_ends():
    with pytest.raises(KeyboardInterrupt):
        stop(KeyboardInterrupt())
    done = []
    with pytest.raises(KeyboardInterrupt):  # noqa: PT012
        with finish_first():
            with finish_first():
                stop(KeyboardInterrupt())
                done.append("inner")
            done.append("outer")
        done.append("after")
    assert done == ["inner", "outer"]
    with finish_first():
        pass  # it came once


def test_a_stop_is_not_lost_where_the_body_fails():
    with pytest.raises(KeyboardInterrupt) as raised, finish_first():  # noqa: PT012
        stop(KeyboardInterrupt())
        raise OSError("disk full")
    assert isinstance(raised.value.__context__, OSError)


def test_a_stop_does_not_wait_for_bodies_of_other_threads():
    inside, over = threading.Event(), threading.Event()

    def work() -> None:
        with finish_first():
            inside.set()
            over.wait()

    thread = threading.Thread(target=work)
    thread.start()
    inside.wait()
    try:
        with pytest.raises(KeyboardInterrupt):
            stop(KeyboardInterrupt())
    finally:
        over.set()
        thread.join()
