"""Section `runtime`: where and how it runs."""

from typing import Annotated, Literal

from pydantic import Field

from pipeline.params.base import Section
from pipeline.params.types import Form


class RuntimeParams(Section):
    """Where and how it runs.

    Nothing here changes a result beyond rounding; no stage tracks it but `params`, which checks it.
    """

    device: Annotated[str, Form(r"auto|cpu|cuda(:\d+)?", "auto, cpu, cuda or cuda:N")] = Field(
        description="Where it computes; auto takes a GPU where there is one."
    )
    precision: Literal["auto", "fp32", "bf16"] = Field(
        description="Precision of the forward and backward pass; auto takes bf16 where the hardware has it."
    )
    threads: int = Field(
        ge=0,
        le=4096,
        description="Number of torch threads, shared out between the processes; 0: all that the machine "
        "gives.",
    )
    processes: int = Field(
        ge=1,
        le=4096,
        description="Number of processes of pretrain, which share each batch; on CUDA each has a GPU.",
    )
    workers: int = Field(ge=0, le=4096, description="Number of processes of prepare; 0: one per core.")
    compile: bool = Field(description="Whether torch.compile compiles the networks.")
    checkpoint_seconds: float = Field(
        ge=0, le=10**9, description="Seconds between two resume states; 0: one after every step."
    )
    log_seconds: float = Field(
        ge=1e-6, le=10**9, description="Seconds between two progress lines where there is no terminal."
    )
    tracking: Literal["none", "tensorboard", "wandb", "mlflow", "dvclive"] = Field(
        description="The tracker that gets the history of pretrain and twin as it grows, each an extra of "
        "the project; none: the tables in reports/plots alone."
    )
