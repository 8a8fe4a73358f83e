"""One global batch over several processes: torch.distributed, gloo between CPUs, NCCL between GPUs.

The loss of a step is the mean over processes of the loss that each computes. Statistics of the batch that
enter it (variance, covariance, batch norm, sorting) are computed by every process from the gathered features
of all; what is a mean over images (the prediction's error) from its own rows. The gradient of `gather` is the
sum over processes, so the mean of the gradients is that of one process with the whole batch.

Gradients are averaged in one all-reduce rather than by DistributedDataParallel, which would hook into a
backward pass that holds collectives of its own, and would break torch.compile's graph at every bucket.

batch: images of a micro-batch; shard: those of this process.
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

from pipeline.data.shard import WHOLE_BATCH, Shard
from pipeline.files import ParamsError
from pipeline.params import Params
from pipeline.runtime import Runtime, resolve


@dataclass(frozen=True)
class Ranks:
    """The processes of a run, seen from one of them. A single process has nobody to average or agree with."""

    shard: Shard
    cpu_group: dist.ProcessGroup | None = None  # gloo: what the CPUs agree on needs no GPU
    launcher: int = 0  # process id

    @property
    def is_main(self) -> bool:
        """Whether this is the process that prints, monitors and writes."""
        return self.shard.rank == 0

    def gather(self, rows: Float[Tensor, "shard *any"]) -> Float[Tensor, "batch *any"]:
        """The rows of all processes, in the order of the batch; differentiable."""
        return _gather(rows, self.shard)  # pyright: ignore[reportCallIssue]

    def average_gradients(
        self, weights: Iterable[nn.Parameter], terms: dict[str, Tensor]
    ) -> dict[str, Tensor]:
        """Replace gradients by their mean over processes, in place; returns the means of the terms."""
        if self.shard.world_size == 1:
            return terms
        learning = [weight for weight in weights if weight.grad is not None]
        values = [*(weight.grad for weight in learning), *terms.values()]
        flat = torch.cat([value.flatten() for value in values]) / self.shard.world_size
        dist.all_reduce(flat)
        parts = flat.split([value.numel() for value in values])
        means = [part.view_as(value) for part, value in zip(parts, values, strict=True)]
        for weight, mean in zip(learning, means, strict=False):
            weight.grad = mean
        return dict(zip(terms, means[len(learning) :], strict=True))

    def agree_on_stop(self, signals: list[int]) -> int:
        """A signal that any process has caught, 0 for none: all stop after the same step.

        A process whose launcher died acts as if it had caught SIGTERM: nobody else would stop it.
        """
        caught = signals[0] if signals else 0
        if self.shard.world_size == 1:
            return caught
        if os.getppid() != self.launcher:
            caught = SIGTERM
        return self._largest(caught)

    def agree(self, yes: bool) -> bool:
        """Whether any process says yes."""
        return bool(self._largest(int(yes)))

    def _largest(self, number: int) -> int:
        if self.shard.world_size == 1:
            return number
        largest = torch.tensor(number)
        dist.all_reduce(largest, dist.ReduceOp.MAX, group=self.cpu_group)
        return int(largest)


SINGLE_PROCESS = Ranks(WHOLE_BATCH)


@torch.compiler.disable  # torch cannot trace its collectives
def _gather(rows: Tensor, shard: Shard) -> Tensor:
    return _Gather.apply(rows, shard)


class _Gather(torch.autograd.Function):
    """torch's own differentiable all-gathers are deprecated or private."""

    @staticmethod
    def forward(ctx: Any, rows: Tensor, shard: Shard) -> Tensor:  # pyright: ignore[reportIncompatibleMethodOverride]
        ctx.shard = shard
        shards = [torch.empty_like(rows) for _ in range(shard.world_size)]
        dist.all_gather(shards, rows.contiguous())
        return torch.cat(shards)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:  # pyright: ignore[reportIncompatibleMethodOverride]
        summed = gradient.clone(memory_format=torch.contiguous_format)
        dist.all_reduce(summed)
        return summed.chunk(ctx.shard.world_size)[ctx.shard.rank], None


def started_by_torchrun() -> bool:
    """Whether this process is one of several that torchrun started."""
    return "RANK" in os.environ and "WORLD_SIZE" in os.environ


def check_world_size(params: Params, world_size: int) -> None:
    """Raise ParamsError where `world_size` processes cannot share a step's images or this machine's GPUs."""
    batch_size, micro_batches = params.pretrain.batch_size, params.pretrain.accumulation
    if batch_size % (world_size * micro_batches):
        raise ParamsError(
            f"runtime.processes: {world_size} must split pretrain.batch_size ({batch_size}) / "
            f"pretrain.accumulation ({micro_batches}) in equal parts"
        )
    name, gpus = params.runtime.device, torch.cuda.device_count()
    if world_size == 1 or name == "cpu" or (name == "auto" and not torch.cuda.is_available()):
        return
    if ":" in name:
        raise ParamsError(
            f"runtime.device: {name} is one GPU, runtime.processes asks for {world_size}; use cuda"
        )
    if world_size > gpus:
        raise ParamsError(
            f"runtime.processes: {world_size} asked for, one per GPU, {gpus} CUDA devices found"
        )


@contextmanager
def process_group(params: Params) -> Iterator[tuple[Ranks, Runtime]]:
    """The processes that torchrun started, joined to a group, and the device of this one; or this process
    alone.

    Threads are shared out between the processes of a machine. In the group, only the main process prints.
    Raises ParamsError as `check_world_size` does, and where torchrun started another number than
    runtime.processes.
    """
    runtime = resolve(params.runtime)
    asked = params.runtime.processes
    world_size = int(os.environ["WORLD_SIZE"]) if started_by_torchrun() else 1
    if asked not in (1, world_size):
        started = f"torchrun started {world_size}" if started_by_torchrun() else "this one was started alone"
        raise ParamsError(f"runtime.processes: {asked} asked for, {started}")
    if world_size == 1:
        yield SINGLE_PROCESS, runtime
        return
    check_world_size(params, world_size)
    rank, local_rank = int(os.environ["RANK"]), int(os.environ["LOCAL_RANK"])
    torch.set_num_threads(max(1, torch.get_num_threads() // int(os.environ["LOCAL_WORLD_SIZE"])))
    on_gpu = runtime.device.type == "cuda"
    if on_gpu:
        runtime = replace(runtime, device=torch.device("cuda", local_rank))
        torch.cuda.set_device(runtime.device)
    dist.init_process_group("nccl" if on_gpu else "gloo")
    cpu_group = dist.new_group(backend="gloo") if on_gpu else None
    assert not isinstance(cpu_group, int)  # torch's sign for "not a member"
    shard = Shard(rank, world_size, params.pretrain.accumulation)
    with _silent(rank > 0):
        yield Ranks(shard, cpu_group, os.getppid()), runtime
    dist.destroy_process_group()  # not after a failure: it may wait for a process that is gone


@contextmanager
def _silent(active: bool) -> Iterator[None]:
    if not active:
        yield
        return
    with open(os.devnull, "w") as null, redirect_stdout(null), redirect_stderr(null):
        yield
