"""Output of stages on the dashboard: lines in the log of the run, pretraining's progress as an artifact."""

import re
from uuid import UUID

from prefect import get_run_logger
from prefect.artifacts import create_progress_artifact, update_progress_artifact

from pipeline.orchestration.processes.lines import Reading


def artifact_key(*parts: str) -> str:
    """Prefect's keys have lower-case letters, digits and dashes."""
    return re.sub(r"[^a-z0-9]+", "-", "-".join(parts).lower()).strip("-")


class Reporter:
    """Takes the lines of one run, within it. name: tells its progress from that of others."""

    def __init__(self, name: str) -> None:
        self.log, self.key = get_run_logger(), artifact_key("pretrain", name)
        self.artifact: UUID | None = None
        self.shown: float | None = None

    def line(self, text: str, reading: Reading) -> None:
        if text.strip():
            self.log.info(text)
        if reading.percent is None or reading.percent == self.shown:
            return
        self.shown = reading.percent
        if self.artifact is None:
            made = create_progress_artifact(reading.percent, key=self.key, description=reading.latest)
            assert isinstance(made, UUID)  # a coroutine in an event loop only
            self.artifact = made
        else:
            update_progress_artifact(self.artifact, reading.percent, description=reading.latest)
