"""Nothing outlives the process that started it."""

import os
import signal
import subprocess
import sys
import threading
import time

import psutil
import pytest
from conftest import REPOSITORY

from pipeline.orchestration.processes.guarded import Guarded, end_inside, environment
from pipeline.orchestration.processes.stop import Stop
from pipeline.orchestration.processes.terminate import terminated

# A family of three: the child and a grandchild that left for a session of its own say their numbers and wait.
FAMILY = """
import os, signal, subprocess, sys
grandchild = subprocess.Popen([sys.executable, "-c", "import signal; signal.pause()"], start_new_session=True)
print(os.getpid(), grandchild.pid, flush=True)
signal.pause()
"""
STARTER = f"""
import sys
from pathlib import Path
from pipeline.orchestration.processes.guarded import Guarded, environment
for line in Guarded((sys.executable, "-c", {FAMILY!r}), Path.cwd(), environment()):
    print(line, flush=True)
"""


def gone(pids: list[int]) -> bool:
    """Whether all of them end; waits for that as long as a test may.

    A zombie counts as gone: the first process of a container may take a minute to reap it.
    """
    until = time.monotonic() + 60
    while any(runs(pid) for pid in pids):
        if time.monotonic() > until:
            return False
        time.sleep(0.02)
    return True


def runs(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def test_output_and_status_come_through(tmp_path):
    script = "import sys; print('out'); print('err', file=sys.stderr); sys.exit(3)"
    with Guarded((sys.executable, "-u", "-c", script), tmp_path, environment()) as process:
        assert list(process) == ["out", "err"]
        assert process.wait() == 3


def test_a_stop_ends_the_whole_family(tmp_path):
    stop = Stop()
    with stop.ends(Guarded((sys.executable, "-c", FAMILY), tmp_path, environment())) as process:
        pids = [int(pid) for pid in next(iter(process)).split()]
        stop.request()
        assert process.wait() == 128 + signal.SIGTERM
    assert gone(pids)


def test_a_stop_that_came_first_ends_what_starts_later(tmp_path):
    stop = Stop()
    stop.request()
    with stop.ends(Guarded((sys.executable, "-c", FAMILY), tmp_path, environment())) as process:
        assert process.wait() != 0


@pytest.mark.skipif(sys.platform != "linux", reason="a process that left its group is adopted on Linux only")
def test_sigkill_of_the_starter_and_its_group_leaves_nothing_running(tmp_path):
    starter = subprocess.Popen(
        [sys.executable, "-c", STARTER],
        cwd=tmp_path,
        env=environment(PYTHONPATH=str(REPOSITORY)),
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert starter.stdout is not None
    pids = [int(pid) for pid in starter.stdout.readline().split()]
    assert len(pids) == 2
    os.killpg(starter.pid, signal.SIGKILL)
    starter.wait()
    assert gone(pids)


@pytest.mark.skipif(sys.platform != "linux", reason="PR_SET_PDEATHSIG is Linux's")
def test_sigkill_of_the_guard_ends_its_command(tmp_path):
    script = "import os, signal; print(os.getpid(), flush=True); signal.pause()"
    with Guarded((sys.executable, "-c", script), tmp_path, environment()) as process:
        pid = int(next(iter(process)))
        process.process.kill()
        assert process.wait() == 128 + signal.SIGKILL
        assert gone([pid])


def test_what_works_in_a_folder_is_ended_and_nothing_else(tmp_path):
    (tmp_path / "clone").mkdir()
    wait = [sys.executable, "-c", "import signal; print(1, flush=True); signal.pause()"]
    inside, outside = (
        subprocess.Popen(wait, cwd=folder, stdout=subprocess.PIPE, text=True)
        for folder in (tmp_path / "clone", tmp_path)
    )
    for process in (inside, outside):
        assert process.stdout is not None and process.stdout.readline() == "1\n"
    assert end_inside(tmp_path / "clone") == 1
    assert inside.poll() is not None
    assert outside.poll() is None
    outside.kill()
    outside.wait()


def test_a_signal_that_wakes_no_wait_is_obeyed_and_the_wait_can_be_repeated(tmp_path):
    """The second wait, that of the block's end, must give the status of the command that it ended."""
    script = "import signal; print('up', flush=True); signal.pause()"
    waiting = threading.get_ident()

    def inside_wait() -> bool:
        frame = sys._current_frames()[waiting]
        while frame is not None and frame.f_code is not Guarded.wait.__code__:
            frame = frame.f_back
        return frame is not None

    def interrupt() -> None:
        while not inside_wait():
            pass
        signal.pthread_kill(threading.get_ident(), signal.SIGTERM)  # to this thread: the other one sleeps on

    sender = threading.Thread(target=interrupt)
    with Guarded((sys.executable, "-c", script), tmp_path, environment()) as process:
        assert next(iter(process)) == "up"
        with terminated():
            sender.start()
            with pytest.raises(KeyboardInterrupt):
                process.wait()
        sender.join()
        process.stop()
        assert process.wait() == 128 + signal.SIGTERM
