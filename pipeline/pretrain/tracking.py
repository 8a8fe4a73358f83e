"""Progress that a person sees during training, and the history that is kept.

On a terminal a progress bar with images/s and time left; elsewhere one line every few seconds.
"""

import math
import resource
import sys
import time

import torch
from tqdm import tqdm

from pipeline.progress import report


class Clock:
    """Seconds since the last save, and of the current row of history."""

    def __init__(self, step: int) -> None:
        self._saved = time.monotonic()
        self.start_row(step)

    def start_row(self, step: int) -> None:
        """Begin to time a row after `step` steps."""
        self._row_step, self._row_began = step, time.monotonic()

    def rate(self, step: int) -> float:
        """Steps per second since the row began; monitors and saves between rows do not count."""
        return (step - self._row_step) / (time.monotonic() - self._row_began)

    def since_saved(self) -> float:
        return time.monotonic() - self._saved

    def saved(self) -> float:
        """Note that a state was saved; returns the seconds since the last save."""
        seconds = self.since_saved()
        self._saved += seconds
        return seconds


class Progress:
    """A bar on a terminal, lines elsewhere. title: what they begin with. `batch_size` turns steps into
    images."""

    def __init__(self, title: str, first: int, steps: int, batch_size: int, log_seconds: float) -> None:
        self.title = title
        self.first, self.steps, self.batch_size, self.log_seconds = first, steps, batch_size, log_seconds
        self.started = self.logged = time.monotonic()
        self.bar = None
        if sys.stderr.isatty():
            self.bar = tqdm(
                total=steps * batch_size,
                initial=first * batch_size,
                unit="img",
                unit_scale=True,
                desc=title,
                dynamic_ncols=True,
            )

    def due(self) -> bool:
        """Whether it is time to show the loss (reading it waits for the device)."""
        interval = 0.5 if self.bar else self.log_seconds
        return time.monotonic() - self.logged >= interval

    def show(self, step: int, loss: float) -> None:
        """Show that `step` steps are done."""
        self.logged = time.monotonic()
        rate = self.rate(step)
        seconds = (self.steps - step) * self.batch_size / rate if rate else float("inf")
        report(self.title, step, self.steps, "steps", loss=loss, images_per_second=rate, seconds_left=seconds)
        if self.bar:
            self.bar.set_postfix_str(f"loss {loss:.4f}", refresh=False)
            self.bar.update(step * self.batch_size - self.bar.n)
            return
        print(
            f"{self.title}: step {step}/{self.steps}, loss {loss:.4f}, {rate:,.0f} images/s, "
            f"{int(seconds) // 60}:{int(seconds) % 60:02d} left",
            flush=True,
        )

    def rate(self, step: int) -> float:
        """Images per second since this process began to train."""
        seconds = time.monotonic() - self.started
        return (step - self.first) * self.batch_size / seconds if seconds else 0.0

    def __enter__(self) -> "Progress":
        return self

    def __exit__(self, *_: object) -> None:
        if self.bar:
            self.bar.close()


def peak_memory_mb(device: torch.device) -> float:
    """Largest memory so far, MiB: of the device where it is a GPU, else resident in this process."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device) / 2**20
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (2**20 if sys.platform == "darwin" else 2**10)


class LossTerms:
    """Loss terms of the steps, kept on the device until `synchronise`, so that a GPU need not wait.

    `sums` and `count` hold what was brought to the host since the last `means`; they are part of the resume
    state.
    """

    def __init__(self, sums: dict[str, float] | None = None, count: int = 0) -> None:
        self.sums, self.count = sums or {}, count
        self.last_loss = float("nan")
        self._pending: list[tuple[int, list[str], torch.Tensor]] = []

    def add(self, step: int, terms: dict[str, torch.Tensor]) -> None:
        """Note the terms of a step without waiting for the device."""
        self._pending.append((step, list(terms), torch.stack([value.detach() for value in terms.values()])))

    def synchronise(self) -> None:
        """Bring the pending terms to the host. Raises NonFiniteError for the first step that had one."""
        for step, names, stacked in self._pending:
            values = dict(zip(names, stacked.tolist(), strict=True))
            if not all(map(math.isfinite, values.values())):
                raise NonFiniteError(step, values)
            for name, value in values.items():
                self.sums[name] = self.sums.get(name, 0.0) + value
            self.count += 1
            self.last_loss = sum(values.values()) - values.get("grad_norm", 0.0)
        self._pending.clear()

    def means(self) -> dict[str, float]:
        """Mean of every term since the last call; starts anew."""
        means = {name: value / self.count for name, value in self.sums.items()}
        self.sums, self.count = {}, 0
        return means


class NonFiniteError(ArithmeticError):
    """A loss term or the gradient norm of `step` is infinite or NaN."""

    def __init__(self, step: int, terms: dict[str, float]) -> None:
        listed = ", ".join(f"{name} {value:.4g}" for name, value in terms.items())
        super().__init__(f"step {step}: the loss is not finite ({listed})")
