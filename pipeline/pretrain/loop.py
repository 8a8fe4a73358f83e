"""The training loop: it takes the steps and handles resume, monitors, history, progress and signals."""

import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import torch
from torch import Tensor

from pipeline.files import InputError
from pipeline.pretrain.run import TrainingRun
from pipeline.pretrain.stretches import begin_stretch
from pipeline.pretrain.tracking import Clock, NonFiniteError, Progress

GPU_STEPS_AHEAD = 32  # steps whose loss terms may stay on a GPU before the loop waits for them

# A batch of each run and the number of the step -> the loss terms of each run.
TrainSteps = Callable[[list[Tensor], int], list[dict[str, Tensor]]]


class InterruptedRunError(InputError):
    """Stopped by a signal after the state was saved; the exit status is the shell's 128 + signal."""

    def __init__(self, message: str, signal_number: int) -> None:
        super().__init__(message)
        self.exit_status = 128 + signal_number


def train(run: TrainingRun) -> None:
    """Train from where the last state left off to the last step; the final state is saved.

    Raises InterruptedRunError on SIGTERM and Ctrl-C after saving, and InputError where the loss is not
    finite, naming the step, the terms and the last good state.
    """
    trainer = run.trainer
    state = run.checkpoints.load_last(trainer.fits)
    if state is not None:
        trainer.load_state(state)
        run.checkpoints.drop_others(trainer.step)  # a killed process may not have come to it
        print(
            f"{run.stage}: resumed after step {trainer.step} of {trainer.params.pretrain.steps}", flush=True
        )
    advance([run], lambda batches, step: [trainer.train_step(batches[0], step)])


def advance(runs: Sequence[TrainingRun], train_steps: TrainSteps) -> None:
    """Take the steps that remain, the same number for all runs, by `train_steps`.

    A run whose loss is not finite is dropped: its name is printed, and it is not monitored or saved any more.
    Raises what `train` raises, and InputError if no run remains.
    """
    first = runs[0].trainer
    params, step = first.params, first.step
    num_steps = params.pretrain.steps
    if step == num_steps:
        return
    for run in runs:
        trainer = run.trainer
        trainer.together = len(runs)
        begin_stretch(trainer, run.commit)
        if not trainer.history:
            trainer.history.append({"step": 0, "images_seen": 0, **run.monitor(trainer.features)})
    clock = Clock(step)
    images = params.pretrain.batch_size * len(runs)
    progress = Progress(runs[0].stage, step, num_steps, images, params.runtime.log_seconds)
    streams = [run.batches.from_step(step, num_steps) for run in runs]
    active = list(runs)
    with caught_signals() as signals, flushed_denormals(), progress:
        for batches in zip(*streams, strict=True):
            for run, terms in zip(runs, train_steps(list(batches), step), strict=True):
                if run in active:
                    run.trainer.terms.add(step, terms)
                    run.trainer.step = step + 1
            step += 1
            active = _record(active, step, clock, progress)
            stop = first.ranks.agree_on_stop(signals)
            overdue = clock.since_saved() >= params.runtime.checkpoint_seconds
            if stop or overdue or step == num_steps:
                active = _finite_runs(active)
                seconds = clock.saved() / len(runs)
                paths = [_save(run, step, seconds) for run in active]
                if stop:
                    raise InterruptedRunError(
                        f"stopped by {signal.Signals(stop).name} after step {step} of "
                        f"{num_steps}; the state is in {paths[0]}; the same command continues",
                        stop,
                    )


def _save(run: TrainingRun, step: int, seconds: float) -> Path:
    run.trainer.seconds += seconds
    return run.checkpoints.save(run.trainer.state(), step)


def _record(runs: list[TrainingRun], step: int, clock: Clock, progress: Progress) -> list[TrainingRun]:
    """After a step: check the terms, show them, keep a row of history where one is due."""
    first = runs[0].trainer
    pretrain = first.params.pretrain
    last = step == pretrain.steps
    row = last or step % pretrain.history_every == 0
    show = last or progress.due()
    if row or show or first.runtime.device.type == "cpu" or step % GPU_STEPS_AHEAD == 0:
        runs = _finite_runs(runs)
    if show:
        losses = [run.trainer.terms.last_loss for run in runs]
        progress.show(step, sum(losses) / len(losses))
    if row:
        rate = clock.rate(step) * pretrain.batch_size * first.together
        for run in runs:
            trainer = run.trainer
            trainer.history.append(trainer.row(rate))
            if last or step % pretrain.monitor_every == 0:
                trainer.history[-1] |= run.monitor(trainer.features)
            run.show_history(trainer.history)
        clock.start_row(step)
    return runs


def _finite_runs(runs: list[TrainingRun]) -> list[TrainingRun]:
    """The runs whose terms are all finite. Raises InputError where there is none."""
    finite, message = [], ""
    for run in runs:
        try:
            run.trainer.terms.synchronise()
            finite.append(run)
        except NonFiniteError as error:
            last = run.checkpoints.last() or "none yet"
            message = f"{error}; last good checkpoint: {last}. Try a lower pretrain.learning_rate"
            if run.trainer.together > 1:
                print(f"{run.stage}: {run.checkpoints.folder.name}: {message}", flush=True)
    if not finite:
        raise InputError(message)
    return finite


@contextmanager
def flushed_denormals() -> Iterator[None]:
    """Treat denormal numbers as zeros: they slow a CPU down a hundredfold."""
    torch.set_flush_denormal(True)
    try:
        yield
    finally:
        torch.set_flush_denormal(False)


@contextmanager
def caught_signals() -> Iterator[list[int]]:
    """Append SIGTERM and SIGINT to the list instead of ending the process."""
    signals: list[int] = []
    if threading.current_thread() is not threading.main_thread():
        yield signals  # Python delivers signals to the main thread only
        return
    numbers = (signal.SIGTERM, signal.SIGINT)
    before = [signal.signal(number, lambda number, _: signals.append(number)) for number in numbers]
    try:
        yield signals
    finally:
        for number, handler in zip(numbers, before, strict=True):
            signal.signal(number, handler)
    if signals:  # one came after the last step, when nobody looked any more
        signal.raise_signal(signals[0])
