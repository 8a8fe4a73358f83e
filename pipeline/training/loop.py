"""The training loop: one step is one function; around it resume, monitors, history and signals."""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float, UInt8
from torch import Tensor, nn

from pipeline.data.augment import augment_batch
from pipeline.data.generators import generator
from pipeline.data.normalise import normalise
from pipeline.files import InputError
from pipeline.jepa import masking
from pipeline.jepa.encoder import encode
from pipeline.jepa.kernels import fit_kernels
from pipeline.jepa.masking import Masks
from pipeline.jepa.objective import Jepa, update_target
from pipeline.params import AugmentParams, Params
from pipeline.sparsity.sparse_jepa import Draws, SparseJepa
from pipeline.training.batches import Batches
from pipeline.training.checkpoint import Checkpoints
from pipeline.training.distributed import ALONE, Ranks
from pipeline.training.runtime import Runtime
from pipeline.training.schedules import ema_momentum, learning_rate, regroups, sparsity_strengths
from pipeline.training.tracking import Clock, NonFiniteError, Progress, Terms, peak_memory_mb

Encode = Callable[[UInt8[Tensor, "images size size 3"]], Float[Tensor, "images embed_dim"]]
Row = dict[str, int | float]
Monitor = Callable[[Encode], dict[str, float]]
GPU_STEPS_AHEAD = 32  # steps whose terms a GPU may owe before the loop waits for them


class InterruptedRunError(InputError):
    """Stopped by a signal after the state was saved; the exit status is the shell's 128 + signal."""

    def __init__(self, message: str, signal_number: int) -> None:
        super().__init__(message)
        self.exit_status = 128 + signal_number


class Pretraining:
    """A sparse JEPA, its optimiser and everything that is needed to continue the run from any step.

    mean, std: of each channel, for `normalise`. augment: what `augment.allowed` left of params.augment.
    ranks: the processes that share every batch; `train_step` takes this one's rows.
    """

    def __init__(
        self,
        params: Params,
        augment: AugmentParams,
        mean: tuple[float, ...],
        std: tuple[float, ...],
        runtime: Runtime,
        ranks: Ranks = ALONE,
    ) -> None:
        self.params, self.augment, self.mean, self.std, self.runtime = params, augment, mean, std, runtime
        self.ranks = ranks
        self.grid = params.data.image_size // params.model.patch_size
        self.jepa = Jepa(
            params.model,
            params.objective,
            params.regularizer,
            params.data.image_size,
            params.pretrain.seed,
        ).to(runtime.device)
        fit_kernels(self.jepa, runtime.device)
        if ranks is not ALONE:
            self.jepa.gather = ranks.gather
        self.model = SparseJepa(self.jepa, params.sparsity, params.pretrain.seed).to(runtime.device)
        self.losses = torch.compile(self.model) if params.runtime.compile else self.model
        self.optimizer = torch.optim.AdamW(
            parameter_groups(self.model, params.pretrain.weight_decay),
            lr=params.pretrain.learning_rate,
            betas=params.pretrain.betas,
            fused=True,
        )
        self.step = 0
        self.seconds = 0.0
        self.history: list[Row] = []
        self.terms = Terms()

    def train_step(self, batch: UInt8[Tensor, "batch size size 3"], step: int) -> dict[str, Tensor]:
        """Update all weights once. Returns the loss terms (means over micro-batches) and `grad_norm`."""
        pretrain, device, share = self.params.pretrain, self.runtime.device, self.ranks.share
        size = len(batch) * share.count
        rate = learning_rate(pretrain, step)
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        draw = generator(pretrain.seed, step, "augment", device)
        images = augment_batch(normalise(batch, self.mean, self.std), self.augment, draw, share)
        masks = masking.sample(self.params.masking, self.grid, size, pretrain.seed, step, device)
        masks = Masks(*map(share.rows, masks))
        draws = self.model.draw(size, masks.context.shape[1], pretrain.seed, step, device)
        strengths = sparsity_strengths(self.params.sparsity, step, pretrain.steps)

        terms: dict[str, Tensor] = {}
        for part in micro_batches(images, masks, draws, pretrain.accumulation):
            with self.runtime.autocast():
                part_terms = self.losses(*part, strengths)
            loss = torch.stack(list(part_terms.values())).sum() / pretrain.accumulation
            loss.backward()
            for name, value in part_terms.items():
                terms[name] = terms.get(name, 0) + value.detach() / pretrain.accumulation

        terms = self.ranks.average(self.model.parameters(), terms)
        limit = pretrain.grad_clip or float("inf")
        grad_norm = nn.utils.clip_grad_norm_(trained(self.model), limit, foreach=True)
        self.optimizer.step()
        self.model.after_step(self.params.sparsity.learning_rate * rate / pretrain.learning_rate, strengths)
        self.optimizer.zero_grad(set_to_none=True)
        momentum = ema_momentum(self.params.objective, step, pretrain.steps)
        update_target(self.jepa.target_encoder, self.jepa.context_encoder, momentum)
        if self.model.method is not None and regroups(self.params.sparsity, step + 1, pretrain.steps):
            self.model.method.learn_groups()
        return terms | {"grad_norm": grad_norm}

    @torch.no_grad()
    def features(self, images: UInt8[Tensor, "images size size 3"]) -> Float[Tensor, "images embed_dim"]:
        """Mean-pooled target-encoder features, as they will be exported."""
        with self.runtime.autocast():
            batches = [
                encode(self.jepa.target_encoder, normalise(part.to(self.runtime.device), self.mean, self.std))
                .float()
                .mean(1)
                for part in images.split(500)
            ]
        return torch.cat(batches)

    def run(self, batches: Batches, checkpoints: Checkpoints, monitor: Monitor) -> None:
        """Train from where the last state left off to the last step; the final state is saved.

        Raises InterruptedRunError on SIGTERM and Ctrl-C after saving, and InputError where the loss is not
        finite, naming the step, the terms and the last good state.
        """
        steps = self.params.pretrain.steps
        resumed = checkpoints.load_last(self.runtime.device)
        if resumed is not None:
            self.load_state(resumed)
            print(f"pretrain: resumed after step {self.step} of {steps}", flush=True)
        if self.step == steps:
            return
        if not self.history:
            self.history.append({"step": 0, "images_seen": 0, **monitor(self.features)})
        clock = Clock(self.step, self.seconds)
        progress = Progress(self.step, steps, batches.batch_size, self.params.runtime.log_seconds)
        try:
            with caught_signals() as caught, flushed_denormals(), progress:
                for batch in batches.from_step(self.step, steps):
                    self.terms.add(self.step, self.train_step(batch, self.step))
                    self.step += 1
                    self._look(clock, progress, monitor)
                    stop = self.ranks.agree(caught)
                    overdue = clock.since_saved() >= self.params.runtime.checkpoint_seconds
                    if stop or overdue or self.step == steps:
                        path = self.save(checkpoints, clock)
                        if stop:
                            raise InterruptedRunError(
                                f"stopped by {signal.Signals(stop).name} after step {self.step} of "
                                f"{steps}; the state is in {path}; the same command continues",
                                stop,
                            )
        except NonFiniteError as error:
            last = checkpoints.last() or "none yet"
            raise InputError(
                f"{error}; last good checkpoint: {last}. Try a lower pretrain.learning_rate"
            ) from None

    def _look(self, clock: Clock, progress: Progress, monitor: Monitor) -> None:
        """After a step: check the terms, show them, keep a row of history where one is due."""
        pretrain = self.params.pretrain
        last = self.step == pretrain.steps
        row = last or self.step % pretrain.history_every == 0
        show = last or progress.due()
        if row or show or self.runtime.device.type == "cpu" or self.step % GPU_STEPS_AHEAD == 0:
            self.terms.settle()
        if show:
            progress.show(self.step, self.terms.last_loss)
        if row:
            self.history.append(self.row(clock.rate(self.step) * pretrain.batch_size))
            if last or self.step % pretrain.monitor_every == 0:
                self.history[-1] |= monitor(self.features)
            clock.start_row(self.step)

    def row(self, images_per_second: float) -> Row:
        """One row of the history: mean terms since the last row, schedules, speed and memory."""
        means = self.terms.means()
        grad_norm = means.pop("grad_norm")
        return {
            "step": self.step,
            "images_seen": self.step * self.params.pretrain.batch_size,
            "loss": sum(means.values()),
            **{f"loss_{name}": value for name, value in means.items()},
            "learning_rate": learning_rate(self.params.pretrain, self.step - 1),
            "ema_momentum": ema_momentum(self.params.objective, self.step - 1, self.params.pretrain.steps),
            "grad_norm": grad_norm,
            **(self.model.method.describe() if self.model.method is not None else {}),
            "images_per_second": images_per_second,
            "peak_memory_mb": peak_memory_mb(self.runtime.device),
        }

    def save(self, checkpoints: Checkpoints, clock: Clock) -> Path:
        """Write the resume state; returns its path. A non-finite loss is never saved."""
        self.terms.settle()
        self.seconds = clock.saved()
        state = {
            "model": self.model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "step": self.step,
            "seconds": self.seconds,
            "history": self.history,
            "sums": self.terms.sums,
            "count": self.terms.count,
        }
        return checkpoints.save(state, self.step)

    def load_state(self, state: dict[str, Any]) -> None:
        """Take over everything that `save` wrote."""
        self.model.load_state_dict(state["model"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.step, self.seconds, self.history = state["step"], state["seconds"], state["history"]
        self.terms = Terms(state["sums"], state["count"])


UNDECAYED = ("token", ".c")  # the mask token and the sparse module's biases are no matrices
PROXIMAL = "method.W"  # has an optimiser of its own: pipeline.sparsity.oi_vae


def parameter_groups(module: nn.Module, weight_decay: float) -> list[dict[str, Any]]:
    """Weight decay for matrices; none for vectors, norms, biases and the mask token."""
    weights = [
        (name, weight)
        for name, weight in module.named_parameters()
        if weight.requires_grad and name != PROXIMAL
    ]
    decayed = [weight for name, weight in weights if weight.ndim > 1 and not name.endswith(UNDECAYED)]
    others = [weight for name, weight in weights if weight.ndim <= 1 or name.endswith(UNDECAYED)]
    return [
        {"params": decayed, "weight_decay": weight_decay},
        {"params": others, "weight_decay": 0.0},
    ]


def trained(module: nn.Module) -> list[nn.Parameter]:
    """The parameters that the optimiser moves."""
    return [w for name, w in module.named_parameters() if w.requires_grad and name != PROXIMAL]


def micro_batches(
    images: Tensor, masks: Masks, draws: Draws, parts: int
) -> Iterator[tuple[Tensor, Masks, Draws]]:
    """Split a batch, its masks and its random numbers in equal parts."""
    chunks = (tensor.chunk(parts) for tensor in (images, masks.context, masks.targets))
    for part, context, targets, drawn in zip(*chunks, draws.chunk(parts), strict=True):
        yield part, Masks(context, targets), drawn


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
