"""A sweep in the terminal: one line per change of a cell's state, with the time left."""

from pipeline.orchestration.sweeps.job import Outcome
from pipeline.orchestration.sweeps.page import in_words
from pipeline.orchestration.sweeps.results import Row


class Console:
    """Lines of one sweep of `cells` cells, of which `waiting` have to run, `jobs` at a time."""

    def __init__(self, name: str, cells: int, waiting: int, jobs: int) -> None:
        self.cells, self.waiting, self.jobs = cells, waiting, min(jobs, waiting)
        self.over, self.seconds = 0, 0.0
        print(
            f"sweep {name}: {cells} cells, {cells - waiting} done before, {waiting} to run, "
            f"{self.jobs} at a time",
            flush=True,
        )

    def started(self, title: str) -> None:
        print(f"  started  {title}", flush=True)

    def ended(self, row: Row, outcome: Outcome) -> None:
        self.over, self.seconds = self.over + 1, self.seconds + outcome.seconds
        if outcome.state == "done":
            text = in_words(row.headline)
            text += ", all from the cache" if not outcome.ran else f", ran {', '.join(outcome.ran)}"
        else:
            text = row.reason
        print(
            f"  {outcome.state:<8} {row.cell.title}: {text}; {clock(outcome.seconds)} {self._time_left()}",
            flush=True,
        )

    def pretrained(self, outcome: Outcome) -> None:
        """Cells that were pretrained together; where that failed, each cell trains alone."""
        reason = f": {outcome.reason} (log: {outcome.log})" if outcome.reason else ""
        print(f"  {outcome.state:<8} {outcome.name}{reason}; {clock(outcome.seconds)}", flush=True)

    def _time_left(self) -> str:
        """Cells so far, and the time that the rest takes at the pace of those that are over."""
        done = self.cells - self.waiting + self.over
        missing = self.waiting - self.over
        pace = self.seconds / self.over / self.jobs
        remaining = f", {clock(pace * missing)} left" if missing else ""
        return f"[{done}/{self.cells}{remaining}]"


def clock(seconds: float) -> str:
    """Minutes and seconds, with hours where there are any."""
    minutes, second = divmod(round(seconds), 60)
    hours, minute = divmod(minutes, 60)
    return f"{hours}:{minute:02d}:{second:02d}" if hours else f"{minute}:{second:02d}"
