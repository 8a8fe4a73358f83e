"""Pieces side by side: in order, never more than asked, and none goes on that nobody waits for."""

import os
import signal
import subprocess
import sys
import threading
import time

import pytest
import torch
from conftest import REPOSITORY

from pipeline.threads import side_by_side


@pytest.fixture
def four_threads():
    before = torch.get_num_threads()
    torch.set_num_threads(4)
    yield
    torch.set_num_threads(before)


@pytest.mark.parametrize(("most", "each"), [(1, 4), (2, 2), (3, 1), (9, 1)])
def test_results_keep_their_order_and_pieces_share_the_threads(four_threads, most: int, each: int):
    at_once, peak, lock = 0, 0, threading.Lock()

    def work(number: int) -> tuple[int, int]:
        nonlocal at_once, peak
        with lock:
            at_once += 1
            peak = max(peak, at_once)
        time.sleep(0.02 / number)
        with lock:
            at_once -= 1
        return number, torch.get_num_threads()

    assert side_by_side(work, range(1, 9), most) == [(number, each) for number in range(1, 9)]
    assert peak == min(most, 4)
    assert torch.get_num_threads() == 4


def test_a_failure_ends_the_other_pieces(four_threads):
    ended = threading.Event()

    def work(name: str) -> None:
        if name == "fails":
            raise ValueError(name)
        try:
            while True:
                time.sleep(0.01)
        finally:
            ended.set()

    with pytest.raises(ValueError, match="fails"):
        side_by_side(work, ["goes on", "fails", "waits"], 2)
    assert ended.is_set()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_stop_ends_all_pieces(number: int):
    program = (
        "import os, time, torch; from pipeline import exits; from pipeline.threads import side_by_side\n"
        "torch.set_num_threads(2)\n"
        "def work(item):\n"
        "    os.write(1, b'!')\n"
        "    while True: time.sleep(0.01)\n"
        "raise SystemExit(exits.run(lambda: side_by_side(work, range(9), 2) and None))\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", program],
        cwd=REPOSITORY,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.read(2) == "!!"
    process.send_signal(number)
    output, errors = process.communicate(timeout=30)
    assert (process.returncode, output) == (128 + number, "")
    assert errors.startswith("error: stopped by ") and errors.count("\n") == 1


def test_threads_do_not_spin_long_and_the_users_own_choice_stands():
    program = "import os, sys, pipeline; print(os.environ.get('GOMP_SPINCOUNT'), 'torch' in sys.modules)"
    for choice, count in (
        ({}, "5000"),
        ({"GOMP_SPINCOUNT": "7"}, "7"),
        ({"OMP_WAIT_POLICY": "ACTIVE"}, "None"),
    ):
        kept = {
            key: value
            for key, value in os.environ.items()
            if key not in ("GOMP_SPINCOUNT", "OMP_WAIT_POLICY")
        }
        command = [sys.executable, "-c", program]
        done = subprocess.run(
            command, cwd=REPOSITORY, env=kept | choice, capture_output=True, text=True, check=True
        )
        assert done.stdout.split() == [count, "False"]
