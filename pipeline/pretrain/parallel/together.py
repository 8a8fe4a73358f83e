"""Trains several runs that differ in seed and lambda in one process, with their weights stacked.

A small encoder does not fill a GPU; sixteen of them do. Each run draws its own images, crops, masks and
noise, and takes the steps that it would take alone, up to rounding. Its saved state is therefore the one that
its own stage `pretrain` would save.

members: runs; numbers: of all weights of one kind (pipeline.pretrain.parallel.stack).
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import torch
from jaxtyping import Float, UInt8
from torch import Tensor, nn
from torch.func import functional_call, vmap
from torch.optim.swa_utils import get_ema_multi_avg_fn

from pipeline.jepa.kernels import fit_attention
from pipeline.jepa.masking import Masks
from pipeline.pretrain.loop import advance
from pipeline.pretrain.optimizer import (
    LearnedParameters,
    build_adamw,
    is_clipped_alone,
    learned_parameters,
)
from pipeline.pretrain.parallel.alike import check
from pipeline.pretrain.parallel.stack import Stack
from pipeline.pretrain.run import TrainingRun
from pipeline.pretrain.step import TrainingStep
from pipeline.pretrain.trainer import Trainer, build_model
from pipeline.sparsity.batch import Strengths
from pipeline.sparsity.sparse_jepa import Batch, Draws

CONTEXT, TARGET = "jepa.context_encoder.", "jepa.target_encoder."
MOMENTS = ("exp_avg", "exp_avg_sq")


class StackedTrainer(TrainingStep[list[Tensor]]):
    """Trainers at the same step. Their weights, buffers and moments become views of one shared storage.

    Raises ParamsError where the runs differ in more than they may (pipeline.pretrain.parallel.alike).
    """

    def __init__(self, trainers: Sequence[Trainer]) -> None:
        check([trainer.params for trainer in trainers])
        assert len({trainer.step for trainer in trainers}) == 1
        self.trainers, self.params, self.runtime = trainers, trainers[0].params, trainers[0].runtime
        learned = [learned_parameters(trainer.model) for trainer in trainers]
        weights = [dict(trainer.model.named_parameters()) for trainer in trainers]
        self.learned = [
            Stack([member.decayed for member in learned], learns=True),
            Stack([member.undecayed for member in learned], learns=True),
        ]
        self.targets = [
            Stack([_target_weights(member, stack.shapes) for member in weights]) for stack in self.learned
        ]
        self.proximal = _proximal_stack(learned)
        self.stacks = [*self.learned, *self.targets, *([self.proximal] if self.proximal else [])]
        self._share_weights(weights)
        self.buffers = self._share_buffers()
        self.optimizer = self._share_moments(weights)
        self.model = build_model(self.params).to(self.runtime.device)
        # As on a CPU: vmap has rules for plain products on every device, for fused attention not on all.
        fit_attention(self.model, torch.device("cpu"))
        batched = vmap(self._loss_terms)
        self.losses = torch.compile(batched) if self.params.runtime.compile else batched

    def train_steps(
        self, batches: list[UInt8[Tensor, "batch size size 3"]], step: int
    ) -> list[dict[str, Tensor]]:
        """`train_step` with a batch of each run; returns the terms of each."""
        terms = self.train_step(batches, step)
        return [{name: value[at] for name, value in terms.items()} for at in range(len(self.trainers))]

    def set_learning_rate(self, rate: float) -> None:
        """Set it in the common AdamW, and in each run's own, which is what its state saves."""
        super().set_learning_rate(rate)
        for trainer in self.trainers:
            trainer.set_learning_rate(rate)

    def loss_arguments(self, images: list[Tensor], step: int) -> Iterator[tuple[Any, ...]]:
        """The arguments of `_loss_terms`; their first axis is members."""
        # Tensors: as numbers they would be compiled anew when they change.
        strengths = torch.tensor(
            [list(trainer.strengths(step)) for trainer in self.trainers], device=self.runtime.device
        )
        streams = [
            trainer.micro_batches(pixels, step) for trainer, pixels in zip(self.trainers, images, strict=True)
        ]
        for batches in zip(*streams, strict=True):
            weights = {name: tensor for stack in self.stacks for name, tensor in stack.named().items()}
            yield weights, self.buffers, *_stacked(batches), strengths

    def _loss_terms(
        self,
        weights: dict[str, Tensor],
        buffers: dict[str, Tensor],
        images: Tensor,
        masks: dict[str, Tensor],
        draws: dict[str, Tensor],
        strengths: Float[Tensor, "3"],
    ) -> dict[str, Tensor]:
        """The loss terms of one member; buffers are updated in place."""
        batch = Batch(images, Masks(**masks), Draws(**draws))
        factors = Strengths(*strengths.unbind())  # pyright: ignore[reportArgumentType]
        return functional_call(self.model, weights | buffers, (batch, factors))

    @torch.no_grad()
    def clip_gradients(self, limit: float) -> Float[Tensor, " members"]:
        """As Trainer.clip_gradients of each member; returns the norms."""
        parts = [self._split_clipped(stack) for stack in self.learned if stack.numbers.grad is not None]
        clipped, clipped_alone = zip(*parts, strict=True)
        _clip_rows(clipped_alone, limit)
        return _clip_rows(clipped, limit)

    def _split_clipped(
        self, stack: Stack
    ) -> tuple[Float[Tensor, "members numbers"], Float[Tensor, "members alone"]]:
        """Views of a stack's gradients: those that are clipped together, and those of a stopped sparse
        module, whose names are the last ones."""
        assert stack.numbers.grad is not None
        sizes = zip(stack.shapes, stack.sizes, strict=True)
        count = sum(size for name, size in sizes if not is_clipped_alone(name, self.params.sparsity))
        return stack.numbers.grad[:, :count], stack.numbers.grad[:, count:]

    def proximal_step(self, learning_rate: float, step: int) -> None:
        """Take each run's proximal step with its rows of the gradients."""
        if self.proximal is not None:
            gradients = self.proximal.numbers.grad
            assert gradients is not None
            for member, trainer in enumerate(self.trainers):
                for name, gradient in self.proximal.row(gradients, member).items():
                    trainer.model.get_parameter(name).grad = gradient
            self.proximal.numbers.grad = None
        for trainer in self.trainers:
            trainer.proximal_step(learning_rate, step)

    @torch.no_grad()
    def update_target_encoder(self, momentum: float) -> None:
        """As pipeline.jepa.objective.update_target."""
        pairs = zip(self.targets, self.learned, strict=True)
        contexts = [stack.numbers[:, : sum(target.sizes)] for target, stack in pairs]
        get_ema_multi_avg_fn(momentum)([target.numbers for target in self.targets], contexts, 0)

    def _share_weights(self, weights: list[dict[str, nn.Parameter]]) -> None:
        for stack in self.stacks:
            for index, member in enumerate(weights):
                for name, view in stack.row(stack.numbers, index).items():
                    member[name].data = view

    def _share_buffers(self) -> dict[str, Tensor]:
        """The buffers of the state, stacked; the runs' own become views of them."""
        shared, model = {}, self.trainers[0].model
        for name in model.state_dict().keys() & dict(model.named_buffers()).keys():
            stacked = torch.stack([trainer.model.get_buffer(name) for trainer in self.trainers])
            module, _, leaf = name.rpartition(".")
            for trainer, view in zip(self.trainers, stacked, strict=True):
                setattr(trainer.model.get_submodule(module), leaf, view)
            shared[name] = stacked
        return shared

    def _share_moments(self, weights: list[dict[str, nn.Parameter]]) -> torch.optim.Optimizer:
        """One AdamW for all; the runs' own hold views of its moments, so that their states are complete."""
        pretrain = self.params.pretrain
        groups = [
            {"params": [stack.numbers], "weight_decay": decay}
            for stack, decay in zip(self.learned, (pretrain.weight_decay, 0.0), strict=True)
        ]
        optimizer = build_adamw(groups, pretrain)
        for stack in self.learned:
            moments = {moment: self._stacked_moment(stack, weights, moment) for moment in MOMENTS}
            step = torch.tensor(float(self.trainers[0].step), device=self.runtime.device)
            optimizer.state[stack.numbers] = {"step": step, **moments}
            for index, (trainer, member) in enumerate(zip(self.trainers, weights, strict=True)):
                rows = {moment: stack.row(numbers, index) for moment, numbers in moments.items()}
                for name in stack.shapes:
                    views = {moment: row[name] for moment, row in rows.items()}
                    trainer.optimizer.state[member[name]] = {"step": step} | views
        return optimizer

    def _stacked_moment(
        self, stack: Stack, weights: list[dict[str, nn.Parameter]], moment: str
    ) -> Float[Tensor, "members numbers"]:
        """A moment of AdamW for the weights of `stack`, zero where a run has not begun."""
        members = [
            {
                name: trainer.optimizer.state[member[name]].get(moment, torch.zeros_like(member[name]))
                for name in stack.shapes
            }
            for trainer, member in zip(self.trainers, weights, strict=True)
        ]
        return Stack(members).numbers


def train_together(runs: Sequence[TrainingRun]) -> None:
    """Train runs to their last step and save every state.

    Stopped runs continue from the last step at which all have a state. A run that is finished, ahead of the
    others or damaged cannot join; its own stage trains it. Raises what pipeline.pretrain.loop raises, and
    ParamsError if the runs are not alike.
    """
    check([run.trainer.params for run in runs])
    steps = runs[0].trainer.params.pretrain.steps
    joining = [run for run in runs if steps not in run.checkpoints.steps()]
    saved = [set(run.checkpoints.steps()) for run in joining]
    common = max(set.intersection(*saved), default=0) if saved else 0
    if common:
        states = [run.checkpoints.load(common, run.trainer.fits) for run in joining]
        for run, state in zip(joining, states, strict=True):
            if state is not None:
                run.trainer.load_state(state)
        joining = [run for run in joining if run.trainer.step == common]
    else:
        joining = [run for run, steps_of_run in zip(joining, saved, strict=True) if not steps_of_run]
    joining = joining if len(joining) > 1 else []
    alone = len(runs) - len(joining)
    print(
        f"pretrain: {len(joining)} runs together"
        f"{f', after step {common} of {steps}' if common else ''}"
        f"{f'; {alone} finished or further, left to their own stage' if alone else ''}",
        flush=True,
    )
    if joining:
        advance(joining, StackedTrainer([run.trainer for run in joining]).train_steps)


def _clip_rows(gradients: Sequence[Float[Tensor, "members _"]], limit: float) -> Float[Tensor, " members"]:
    """torch.nn.utils.clip_grad_norm_ of each member's gradients, which are one row of every tensor."""
    norms = torch.linalg.vector_norm(
        torch.stack([torch.linalg.vector_norm(gradient, dim=1) for gradient in gradients]), dim=0
    )
    factors = (limit / (norms + 1e-6)).clamp(max=1)[:, None]
    for gradient in gradients:
        gradient.mul_(factors)
    return norms


def _proximal_stack(learned: Sequence[LearnedParameters]) -> Stack | None:
    """The weights that have an optimiser of their own; None where there are none."""
    weights = [member.own_optimizer for member in learned]
    return Stack(weights, learns=True) if weights[0] else None


def _target_weights(weights: dict[str, nn.Parameter], names: Iterable[str]) -> dict[str, Tensor]:
    """The target encoder's weights whose counterparts in the context encoder are among `names`."""
    targets = (TARGET + name.removeprefix(CONTEXT) for name in names if name.startswith(CONTEXT))
    return {name: weights[name] for name in targets}


def _stacked(batches: Sequence[Batch]) -> tuple[Tensor, dict[str, Tensor], dict[str, Tensor]]:
    """Images, masks and random numbers of all members, stacked. They are dicts because vmap accepts no
    None."""
    images, masks, draws = zip(*batches, strict=True)
    return torch.stack(images), _stacked_fields(masks), _stacked_fields(draws)


def _stacked_fields(members: Sequence[Masks] | Sequence[Draws]) -> dict[str, Tensor]:
    fields = zip(members[0]._fields, zip(*members, strict=True), strict=True)
    return {name: torch.stack(tensors) for name, tensors in fields if tensors[0] is not None}
