"""One process at a time trains a run; another one waits, and then finds the state that the first one left.

Two that train one run at once would remove each other's states. They meet where runs share RUNS_DIR: sweeps
with a cell in common, a sweep beside `dvc exp run`, two clones of one project.
"""

import json
import os
import shlex
import socket
import sys
import time
from contextlib import suppress
from pathlib import Path

from pipeline.files import LOCK, InputError, read_json, remove_leftovers, try_lock
from pipeline.pretrain.parallel.ranks import SINGLE_PROCESS, Ranks

POLL = 0.5  # seconds between looks at a lock


class RunLock:
    """The lock of the run whose states lie in `folder`. It ends with its holder, however that ends.

    Where the file system has no locks, or they are seen on one host alone (some network folders), nobody
    waits: both train, each to the same end, and each writes whole states.
    """

    def __init__(self, folder: Path) -> None:
        self.folder, self._handle = folder, -1

    def take(self) -> bool:
        """Whether no other process holds it: it is then this one's. What killed processes left half-written
        in the folder is removed."""
        self.folder.mkdir(parents=True, exist_ok=True)
        try:
            handle = try_lock(self.folder / LOCK)
        except OSError as error:
            print(f"{self.folder}: no lock ({error.strerror}): start its run only once at a time", flush=True)
            return True
        if handle is None:
            return False
        self._handle = handle
        remove_leftovers(self.folder)
        holder = {"pid": os.getpid(), "host": socket.gethostname(), "command": shlex.join(sys.orig_argv)}
        with suppress(OSError):  # a full disk: the message is then shorter
            os.truncate(handle, 0)
            os.write(handle, json.dumps(holder).encode())
        return True

    def wait(self, stage: str, ranks: Ranks = SINGLE_PROCESS) -> None:
        """Take it; where another process holds it, say so once and wait for its end.

        Of several processes of a run the main one takes it, and all go on at once.
        """
        told = False
        while not ranks.agree(ranks.is_main and self.take()):
            if not told:
                print(f"{stage}: waits for {self.holder()}, which trains {self.folder}", flush=True)
                told = True
            time.sleep(POLL)

    def holder(self) -> str:
        """Who holds it, in words."""
        try:
            holder = read_json(self.folder / LOCK, "pid", "host", "command")
        except InputError:  # it has not written its name yet
            return "another process"
        return f"process {holder['pid']} on {holder['host']} ({holder['command']})"

    def __enter__(self) -> "RunLock":
        return self

    def __exit__(self, *_: object) -> None:
        if self._handle >= 0:
            os.close(self._handle)
