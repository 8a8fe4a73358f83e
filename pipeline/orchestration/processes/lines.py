"""What the lines say that DVC and the stages print."""

import re
from collections import deque
from dataclasses import dataclass, field

RUNNING = re.compile(r"Running stage '([^']+)'")
SKIPPED = re.compile(r"Stage '([^']+)' (?:didn't change|is cached)")
RAISED = re.compile(r"(?:\w+\.)*\w*(?:Error|Exception|Warning|Interrupt)\b")

BUSY = re.compile(r"'[^']+' is busy, it is being blocked by:$")
BLOCKER = re.compile(r"\(PID (\d+)\): ")

HINTS = re.compile(  # what DVC says after every stage
    r"Updating lock file|To track the changes with git|git add |To enable auto staging|"
    r"dvc config core\.autostage|Use `dvc push`"
)


def tells(line: str) -> bool:
    """Whether a line says something of the run."""
    return bool(line.strip()) and not HINTS.match(line.strip())


@dataclass
class Reading:
    """What the lines so far said: stages that ran or were skipped, the reason of a failure."""

    ran: list[str] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)
    _errors: deque[str] = field(default_factory=lambda: deque(maxlen=1))
    _dvc_errors: deque[str] = field(default_factory=lambda: deque(maxlen=1))
    _last: str = ""

    def read(self, line: str) -> None:
        text = line.strip()
        if match := RUNNING.match(text):
            self.ran.append(match[1])
        elif match := SKIPPED.match(text):
            self.skipped.append(match[1])
        elif text.startswith("error: "):
            self._errors.append(text.removeprefix("error: "))
        elif RAISED.match(text):
            self._errors.append(text)
        elif (match := BLOCKER.match(text)) and BUSY.search(self._last):
            self._errors.append(f"process {match[1]} runs stages in this folder; wait for it, or end it")
        elif text.startswith("ERROR: "):
            self._dvc_errors.append(text.removeprefix("ERROR: "))
        self._last = text or self._last

    def reason(self) -> str:
        """One line: the stage's own error, else the last line of a traceback, else DVC's."""
        if self._errors:
            return self._errors[0]
        if self._dvc_errors:
            return self._dvc_errors[0]
        return self._last or "no output"
