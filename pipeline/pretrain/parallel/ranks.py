"""One global batch over several processes: torch.distributed, gloo between CPUs, NCCL between GPUs.

The loss of a step is the mean over processes of the loss that each computes. Statistics of the batch that
enter it (variance, covariance, batch norm, sorting) are computed by every process from the gathered features
of all; what is a mean over images (the prediction's error) from its own rows. The gradient of `gather` is the
sum over processes, so the mean of the gradients is that of one process with the whole batch.

Gradients are averaged in one all-reduce rather than by DistributedDataParallel, which would hook into a
backward pass that holds collectives of its own, and would break torch.compile's graph at every bucket.

batch: images of a micro-batch; own: those of this process.
"""

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass, replace
from signal import SIGTERM
from typing import Any

import torch
import torch.distributed as dist
from jaxtyping import Float
from torch import Tensor, nn

from pipeline.data.shard import WHOLE, Share
from pipeline.files import ParamsError
from pipeline.params import Params
from pipeline.runtime import Runtime, resolve


@dataclass(frozen=True)
class Ranks:
    """The processes of a run, seen from one of them. Of one process `average` and `agree` ask nobody."""

    share: Share
    control: dist.ProcessGroup | None = None  # gloo: what the CPUs agree on needs no GPU
    parent: int = 0

    @property
    def leads(self) -> bool:
        """Whether this is the process that prints, monitors and writes."""
        return self.share.rank == 0

    def gather(self, own: Float[Tensor, "own *any"]) -> Float[Tensor, "batch *any"]:
        """The rows of all processes, in the order of the batch; differentiable."""
        return _gather(own, self.share)  # pyright: ignore[reportCallIssue]

    def average(self, weights: Iterable[nn.Parameter], terms: dict[str, Tensor]) -> dict[str, Tensor]:
        """Replace gradients by their mean over processes, in place; returns the means of the terms."""
        if self.share.count == 1:
            return terms
        learning = [weight for weight in weights if weight.grad is not None]
        values = [*(weight.grad for weight in learning), *terms.values()]
        flat = torch.cat([value.flatten() for value in values]) / self.share.count
        dist.all_reduce(flat)
        parts = flat.split([value.numel() for value in values])
        means = [part.view_as(value) for part, value in zip(parts, values, strict=True)]
        for weight, mean in zip(learning, means, strict=False):
            weight.grad = mean
        return dict(zip(terms, means[len(learning) :], strict=True))

    def agree(self, signals: list[int]) -> int:
        """A signal that any process has caught, 0 for none: all stop after the same step.

        A process whose launcher died counts as told to stop: nobody else would stop it.
        """
        own = signals[0] if signals else 0
        if self.share.count == 1:
            return own
        if os.getppid() != self.parent:
            own = SIGTERM
        found = torch.tensor(own)
        dist.all_reduce(found, dist.ReduceOp.MAX, group=self.control)
        return int(found)


ALONE = Ranks(WHOLE)


@torch.compiler.disable  # torch cannot trace its collectives
def _gather(own: Tensor, share: Share) -> Tensor:
    return _Gather.apply(own, share)


class _Gather(torch.autograd.Function):
    """torch's own differentiable all-gathers are deprecated or private."""

    @staticmethod
    def forward(ctx: Any, own: Tensor, share: Share) -> Tensor:  # pyright: ignore[reportIncompatibleMethodOverride]
        ctx.share = share
        rows = [torch.empty_like(own) for _ in range(share.count)]
        dist.all_gather(rows, own.contiguous())
        return torch.cat(rows)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:  # pyright: ignore[reportIncompatibleMethodOverride]
        summed = gradient.clone(memory_format=torch.contiguous_format)
        dist.all_reduce(summed)
        return summed.chunk(ctx.share.count)[ctx.share.rank], None


def started_by_torchrun() -> bool:
    return "RANK" in os.environ and "WORLD_SIZE" in os.environ


def check(params: Params, count: int) -> None:
    """Raise ParamsError where `count` processes cannot share a step's images or this machine's GPUs."""
    batch_size, parts = params.pretrain.batch_size, params.pretrain.accumulation
    if batch_size % (count * parts):
        raise ParamsError(
            f"runtime.processes: {count} must split pretrain.batch_size ({batch_size}) / "
            f"pretrain.accumulation ({parts}) in equal parts"
        )
    name, found = params.runtime.device, torch.cuda.device_count()
    if count == 1 or name == "cpu" or (name == "auto" and not torch.cuda.is_available()):
        return
    if ":" in name:
        raise ParamsError(f"runtime.device: {name} is one GPU, runtime.processes asks for {count}; use cuda")
    if count > found:
        raise ParamsError(f"runtime.processes: {count} asked for, one per GPU, {found} CUDA devices found")


@contextmanager
def joined(params: Params) -> Iterator[tuple[Ranks, Runtime]]:
    """The processes that torchrun started, joined, and the device of this one; or this process alone.

    Threads are shared out between the processes of a machine. While joined, only the leader prints. Raises
    ParamsError as `check` does, and where torchrun started another number than runtime.processes.
    """
    runtime = resolve(params.runtime)
    asked = params.runtime.processes
    count = int(os.environ["WORLD_SIZE"]) if started_by_torchrun() else 1
    if asked not in (1, count):
        started = f"torchrun started {count}" if started_by_torchrun() else "this one was started alone"
        raise ParamsError(f"runtime.processes: {asked} asked for, {started}")
    if count == 1:
        yield ALONE, runtime
        return
    check(params, count)
    rank, local_rank = int(os.environ["RANK"]), int(os.environ["LOCAL_RANK"])
    torch.set_num_threads(max(1, torch.get_num_threads() // int(os.environ["LOCAL_WORLD_SIZE"])))
    on_gpu = runtime.device.type == "cuda"
    if on_gpu:
        runtime = replace(runtime, device=torch.device("cuda", local_rank))
        torch.cuda.set_device(runtime.device)
    dist.init_process_group("nccl" if on_gpu else "gloo")
    control = dist.new_group(backend="gloo") if on_gpu else None
    assert not isinstance(control, int)  # torch's sign for "not a member"
    share = Share(rank, count, params.pretrain.accumulation)
    with _silent(rank > 0):
        yield Ranks(share, control, os.getppid()), runtime
    dist.destroy_process_group()  # not after a failure: it may wait for a process that is gone


@contextmanager
def _silent(active: bool) -> Iterator[None]:
    if not active:
        yield
        return
    with open(os.devnull, "w") as nowhere, redirect_stdout(nowhere), redirect_stderr(nowhere):
        yield
