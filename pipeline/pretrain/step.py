"""The training step, spelled once for a single run and for several runs whose weights are stacked.

images: of a step's batch on this process.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from typing import Any, Generic, TypeVar

import torch
from torch import Tensor

from pipeline.params import Params
from pipeline.pretrain.schedules import ema_momentum, learning_rate
from pipeline.runtime import Runtime

Images = TypeVar("Images")  # uint8 pixels (images, size, size, 3); of several runs a list of such tensors


class TrainingStep(ABC, Generic[Images]):
    """What updates all weights once. Subclasses say where the weights lie and what the loss terms are.

    A loss term is a scalar, or a vector with one number for each run if runs are stacked. losses: takes what
    `loss_arguments` yields and returns the loss terms by name; their sum is minimised.
    """

    params: Params
    runtime: Runtime
    optimizer: torch.optim.Optimizer
    losses: Callable[..., dict[str, Tensor]]

    def train_step(self, images: Images, step: int) -> dict[str, Tensor]:
        """Update all weights once. Returns the loss terms (means over micro-batches) and `grad_norm`."""
        pretrain = self.params.pretrain
        rate = learning_rate(pretrain, step)
        self.set_learning_rate(rate)

        terms: dict[str, Tensor] = {}
        for arguments in self.loss_arguments(images, step):
            with self.runtime.autocast():
                micro_batch_terms = self.losses(*arguments)
            loss = torch.stack(list(micro_batch_terms.values())).sum() / pretrain.accumulation
            loss.backward()
            for name, value in micro_batch_terms.items():
                terms[name] = terms.get(name, 0) + value.detach() / pretrain.accumulation

        terms = self.average_over_processes(terms)
        grad_norm = self.clip_gradients(pretrain.grad_clip or float("inf"))
        self.optimizer.step()
        self.proximal_step(self.params.sparsity.learning_rate * rate / pretrain.learning_rate, step)
        self.optimizer.zero_grad(set_to_none=True)
        self.update_target_encoder(ema_momentum(self.params.objective, step, pretrain.steps))
        self.regroup(step)
        return terms | {"grad_norm": grad_norm}

    def set_learning_rate(self, rate: float) -> None:
        """Set AdamW's learning rate for the next step."""
        for group in self.optimizer.param_groups:
            group["lr"] = rate

    @abstractmethod
    def loss_arguments(self, images: Images, step: int) -> Iterator[tuple[Any, ...]]:
        """The arguments of `losses` for each micro-batch in turn."""

    def average_over_processes(self, terms: dict[str, Tensor]) -> dict[str, Tensor]:
        """If processes share the batch, average the gradients in place; returns the means of the terms."""
        return terms

    @abstractmethod
    def clip_gradients(self, limit: float) -> Tensor:
        """Scale the gradients down to a norm of `limit` at most; returns the norm before.

        Those of a stopped sparse module (optimizer.is_clipped_alone) are scaled by their own norm, and do not
        count in what is returned.
        """

    @abstractmethod
    def proximal_step(self, learning_rate: float, step: int) -> None:
        """Update the parameters that have an optimiser of their own."""

    @abstractmethod
    def update_target_encoder(self, momentum: float) -> None:
        """Move the target encoder towards the context encoder."""

    def regroup(self, step: int) -> None:
        """Assign features to groups anew, where groups are learned and this step is due."""
