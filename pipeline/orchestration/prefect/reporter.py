"""Output of stages on the dashboard: lines in the log of the run, progress and curves as artifacts."""

import re
from contextlib import suppress
from pathlib import Path
from uuid import UUID

from prefect import get_run_logger
from prefect.artifacts import create_markdown_artifact, create_progress_artifact, update_progress_artifact
from prefect.client.orchestration import get_client
from prefect.client.schemas.actions import ArtifactUpdate

from pipeline.layout import HISTORIES
from pipeline.orchestration.prefect.curves import Curves
from pipeline.orchestration.prefect.watch import UNREACHABLE
from pipeline.orchestration.processes.listen import Listener
from pipeline.progress import Progress


def artifact_key(*parts: str) -> str:
    """Prefect's keys have lower-case letters, digits and dashes."""
    return re.sub(r"[^a-z0-9]+", "-", "-".join(parts).lower()).strip("-")


class Reporter(Listener):
    """Shows what one run says, within it. name: tells its progress from that of others."""

    def __init__(self, name: str) -> None:
        self.log, self.name = get_run_logger(), name
        self.artifact: UUID | None = None
        self.stage: str | None = None  # that reported last
        self.curves: dict[str, Curves] = {}  # stage -> its history
        self.shown: dict[str, UUID] = {}  # stage -> the artifact of its history

    def line(self, text: str) -> None:
        if text.strip():
            self.log.info(text)

    def progress(self, progress: Progress) -> None:
        """A server that does not answer misses it."""
        percent, words = progress.percent, progress.in_words()
        self.stage = progress.task
        with suppress(*UNREACHABLE):
            if self.artifact is None:
                artifact = create_progress_artifact(
                    percent, key=artifact_key("progress", self.name), description=words
                )
                assert isinstance(artifact, UUID)  # a coroutine in an event loop only
                self.artifact = artifact
            else:
                update_progress_artifact(self.artifact, percent, description=words)

    def look(self, folder: Path) -> None:
        """The history of the stage that trains, where it has grown: an artifact that is kept up to date."""
        for stage in HISTORIES:
            if stage not in self.curves:
                self.curves[stage] = Curves(folder, stage)
        newest = self.curves[self.stage].newest() if self.stage in self.curves else None
        if newest is None or self.stage is None:
            return
        with suppress(*UNREACHABLE):
            if self.stage in self.shown:
                with get_client(sync_client=True) as client:
                    client.update_artifact(self.shown[self.stage], ArtifactUpdate(data=newest))
                return
            key = artifact_key("curves", *dict.fromkeys((self.stage, self.name)))
            artifact = create_markdown_artifact(newest, key=key, description=f"{self.stage}, as it trains")
            assert isinstance(artifact, UUID)  # a coroutine in an event loop only
            self.shown[self.stage] = artifact
