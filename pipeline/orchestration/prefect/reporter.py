"""Output of stages on the dashboard: lines in the log of the run, progress as an artifact."""

import re
from contextlib import suppress
from uuid import UUID

from prefect import get_run_logger
from prefect.artifacts import create_progress_artifact, update_progress_artifact

from pipeline.orchestration.prefect.watch import UNREACHABLE
from pipeline.orchestration.processes.listen import Listener
from pipeline.progress import Progress


def artifact_key(*parts: str) -> str:
    """Prefect's keys have lower-case letters, digits and dashes."""
    return re.sub(r"[^a-z0-9]+", "-", "-".join(parts).lower()).strip("-")


class Reporter(Listener):
    """Shows what one run says, within it. name: tells its progress from that of others."""

    def __init__(self, name: str) -> None:
        self.log, self.key = get_run_logger(), artifact_key("progress", name)
        self.artifact: UUID | None = None

    def line(self, text: str) -> None:
        if text.strip():
            self.log.info(text)

    def progress(self, progress: Progress) -> None:
        """A server that does not answer misses it."""
        percent, words = progress.percent, progress.in_words()
        with suppress(*UNREACHABLE):
            if self.artifact is None:
                artifact = create_progress_artifact(percent, key=self.key, description=words)
                assert isinstance(artifact, UUID)  # a coroutine in an event loop only
                self.artifact = artifact
            else:
                update_progress_artifact(self.artifact, percent, description=words)
