"""The history of a run as a table, also while the run goes on: its rows are in order, and each is whole."""

import time
from pathlib import Path
from typing import Any

import pandas as pd

from pipeline.files import atomic_file

SECONDS = 2.0  # at least, between two writes of a growing table
SHARE = 0.01  # of the time, at most, that goes into them


class LiveTable:
    """Writes the rows so far to a CSV file. The file is replaced whole: nobody ever reads half a row."""

    def __init__(self, path: Path) -> None:
        self.path, self.due = path, 0.0

    def __call__(self, rows: list[dict[str, Any]]) -> None:
        """Write all rows if it is time to."""
        began = time.monotonic()
        if began < self.due:
            return
        write_table(self.path, pd.DataFrame(rows))
        ended = time.monotonic()
        self.due = ended + max(SECONDS, (ended - began) / SHARE)


def no_table(rows: list[dict[str, Any]]) -> None:
    """For a run whose history nobody watches."""


def write_table(path: Path, table: pd.DataFrame) -> None:
    """Write a CSV file whole."""
    with atomic_file(path) as temporary:
        table.to_csv(temporary, index=False)
