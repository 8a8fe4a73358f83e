"""The training loop: it takes steps; around them resume, monitors, history, progress and signals."""

import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from pipeline.files import InputError
from pipeline.params import Params, PretrainParams
from pipeline.pretrain.batches import Batches
from pipeline.pretrain.checkpoint import Checkpoints
from pipeline.pretrain.pretraining import Encode, Pretraining
from pipeline.pretrain.tracking import Clock, NonFiniteError, Progress

Monitor = Callable[[Encode], dict[str, float]]
GPU_STEPS_AHEAD = 32  # steps whose terms a GPU may owe before the loop waits for them


class InterruptedRunError(InputError):
    """Stopped by a signal after the state was saved; the exit status is the shell's 128 + signal."""

    def __init__(self, message: str, signal_number: int) -> None:
        super().__init__(message)
        self.exit_status = 128 + signal_number


class Member(NamedTuple):
    """A run with what feeds, keeps and watches it."""

    run: Pretraining
    batches: Batches
    checkpoints: Checkpoints
    monitor: Monitor


Step = Callable[[list[Tensor], int], list[dict[str, Tensor]]]


def train(run: Pretraining, batches: Batches, checkpoints: Checkpoints, monitor: Monitor) -> None:
    """Train from where the last state left off to the last step; the final state is saved.

    Raises InterruptedRunError on SIGTERM and Ctrl-C after saving, and InputError where the loss is not
    finite, naming the step, the terms and the last good state.
    """
    resumed = checkpoints.load_last(run.runtime.device)
    if resumed is not None:
        run.load_state(resumed)
        print(f"pretrain: resumed after step {run.step} of {run.params.pretrain.steps}", flush=True)
    advance([Member(run, batches, checkpoints, monitor)], lambda given, at: [run.train_step(given[0], at)])


def advance(members: Sequence[Member], step: Step) -> None:
    """Take the steps that are left, the same number for all members, by `step` (a batch of each, the number).

    A member whose loss is not finite is dropped: it is looked at and saved no more, and named on standard
    output. Raises as `train` does; InputError where no member is left.
    """
    first = members[0].run
    params: Params = first.params
    pretrain, at = params.pretrain, first.step
    if at == pretrain.steps:
        return
    for member in members:
        member.run.together = len(members)
        if not member.run.history:
            start = {"step": 0, "images_seen": 0, **member.monitor(member.run.features)}
            member.run.history.append(start)
    clock = Clock(at)
    images = pretrain.batch_size * len(members)
    progress = Progress(at, pretrain.steps, images, params.runtime.log_seconds)
    streams = [member.batches.from_step(at, pretrain.steps) for member in members]
    left = list(members)
    with caught_signals() as caught, flushed_denormals(), progress:
        for given in zip(*streams, strict=True):
            for member, terms in zip(members, step(list(given), at), strict=True):
                if member in left:
                    member.run.terms.add(at, terms)
                    member.run.step = at + 1
            at += 1
            left = _look(left, at, clock, progress)
            stop = first.ranks.agree(caught)
            overdue = clock.since_saved() >= params.runtime.checkpoint_seconds
            if stop or overdue or at == pretrain.steps:
                left = _settled(left)
                seconds = clock.saved() / len(members)
                paths = [_save(member, at, seconds) for member in left]
                if stop:
                    raise InterruptedRunError(
                        f"stopped by {signal.Signals(stop).name} after step {at} of "
                        f"{pretrain.steps}; the state is in {paths[0]}; the same command continues",
                        stop,
                    )


def _save(member: Member, step: int, seconds: float) -> Path:
    member.run.seconds += seconds
    return member.checkpoints.save(member.run.state(), step)


def _look(members: list[Member], step: int, clock: Clock, progress: Progress) -> list[Member]:
    """After a step: check the terms, show them, keep a row of history where one is due."""
    first = members[0].run
    pretrain: PretrainParams = first.params.pretrain
    last = step == pretrain.steps
    row = last or step % pretrain.history_every == 0
    show = last or progress.due()
    if row or show or first.runtime.device.type == "cpu" or step % GPU_STEPS_AHEAD == 0:
        members = _settled(members)
    if show:
        losses = [member.run.terms.last_loss for member in members]
        progress.show(step, sum(losses) / len(losses))
    if row:
        rate = clock.rate(step) * pretrain.batch_size * first.together
        for member in members:
            member.run.history.append(member.run.row(rate))
            if last or step % pretrain.monitor_every == 0:
                member.run.history[-1] |= member.monitor(member.run.features)
        clock.start_row(step)
    return members


def _settled(members: list[Member]) -> list[Member]:
    """The members whose terms are all finite. Raises InputError where there is none."""
    left, found = [], ""
    for member in members:
        try:
            member.run.terms.settle()
            left.append(member)
        except NonFiniteError as error:
            last = member.checkpoints.last() or "none yet"
            found = f"{error}; last good checkpoint: {last}. Try a lower pretrain.learning_rate"
            if member.run.together > 1:
                print(f"pretrain: {member.checkpoints.folder.name}: {found}", flush=True)
    if not left:
        raise InputError(found)
    return left


@contextmanager
def flushed_denormals() -> Iterator[None]:
    """Denormal numbers slow a CPU down a hundredfold; as zeros they do not."""
    torch.set_flush_denormal(True)
    try:
        yield
    finally:
        torch.set_flush_denormal(False)


@contextmanager
def caught_signals() -> Iterator[list[int]]:
    """Note SIGTERM and SIGINT instead of dying of them; the list fills with what arrived."""
    caught: list[int] = []
    if threading.current_thread() is not threading.main_thread():
        yield caught  # Python delivers signals to the main thread only
        return
    numbers = (signal.SIGTERM, signal.SIGINT)
    before = [signal.signal(number, lambda number, _: caught.append(number)) for number in numbers]
    try:
        yield caught
    finally:
        for number, handler in zip(numbers, before, strict=True):
            signal.signal(number, handler)
