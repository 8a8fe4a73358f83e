"""Several runs that differ in seed and lambda, trained as one: their weights stacked, one kernel for all.

A small encoder does not fill a GPU; sixteen of them do. Each run draws its own images, crops, masks and noise
and takes the steps that it would take alone, up to rounding, so the state that it leaves is the one that its
own stage `pretrain` would have left.

members: runs; numbers: of all weights of one kind, flattened, in the order of their names.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence

import torch
from jaxtyping import Float, UInt8
from torch import Tensor
from torch.func import functional_call, vmap
from torch.optim.swa_utils import get_ema_multi_avg_fn

from pipeline.jepa.kernels import fit_attention
from pipeline.jepa.masking import Masks
from pipeline.pretrain.loop import Member, advance
from pipeline.pretrain.parallel.alike import check
from pipeline.pretrain.pretraining import PROXIMAL, Pretraining, build_model, learned
from pipeline.pretrain.schedules import ema_momentum, learning_rate, sparsity_strengths
from pipeline.sparsity.method import Strengths
from pipeline.sparsity.sparse_jepa import Draws

CONTEXT, TARGET = "jepa.context_encoder.", "jepa.target_encoder."
MOMENTS = ("exp_avg", "exp_avg_sq")


class Stack:
    """Tensors of equal names and shapes of every member, one after the other in a row of `numbers`."""

    def __init__(self, members: Sequence[Mapping[str, Tensor]], learns: bool = False) -> None:
        self.shapes = {name: tensor.shape for name, tensor in members[0].items()}
        self.sizes = [shape.numel() for shape in self.shapes.values()]
        rows = [torch.cat([tensor.detach().flatten() for tensor in member.values()]) for member in members]
        self.numbers: Float[Tensor, "members numbers"] = torch.stack(rows).requires_grad_(learns)

    def named(self) -> dict[str, Float[Tensor, "members *shape"]]:
        """Each tensor for all members. Gradients flow to `numbers`."""
        parts = zip(self.numbers.split(self.sizes, dim=1), self.shapes.items(), strict=True)
        return {name: part.view(-1, *shape) for part, (name, shape) in parts}

    def row(self, numbers: Float[Tensor, "members numbers"], member: int) -> dict[str, Tensor]:
        """Views: what `numbers`, of these or of their gradients or moments, hold of a member."""
        parts = zip(numbers.detach()[member].split(self.sizes), self.shapes.items(), strict=True)
        return {name: part.view(shape) for part, (name, shape) in parts}


class Together:
    """Runs at one step, whose weights, buffers and moments become views of a storage for all.

    Raises ParamsError where the runs differ in more than they may (pipeline.pretrain.parallel.alike).
    """

    def __init__(self, runs: Sequence[Pretraining]) -> None:
        check([run.params for run in runs])
        assert len({run.step for run in runs}) == 1
        self.runs, self.params, self.runtime = runs, runs[0].params, runs[0].runtime
        kinds = [learned(run.model) for run in runs]
        self.learned = [Stack([own[at] for own in kinds], learns=True) for at in range(2)]
        weights = [dict(run.model.named_parameters()) for run in runs]
        self.targets = [
            Stack([_target_weights(own, stack.shapes) for own in weights]) for stack in self.learned
        ]
        has_w = PROXIMAL in weights[0]
        self.proximal = Stack([{PROXIMAL: own[PROXIMAL]} for own in weights], learns=True) if has_w else None
        self._share_weights(weights)
        self.buffers = self._share_buffers()
        self.optimizer = self._share_moments(weights)
        self.model = build_model(self.params).to(self.runtime.device)
        # As on a CPU: vmap has rules for plain products on every device, for fused attention not on all.
        fit_attention(self.model, torch.device("cpu"))
        batched = vmap(self._terms)
        self.losses: Callable[..., dict[str, Tensor]] = batched
        if self.params.runtime.compile:
            self.losses = torch.compile(batched)

    def step(self, batches: list[UInt8[Tensor, "batch size size 3"]], step: int) -> list[dict[str, Tensor]]:
        """`Pretraining.train_step` of every run with its own batch."""
        pretrain, sparsity, count = self.params.pretrain, self.params.sparsity, len(self.runs)
        rate = learning_rate(pretrain, step)
        for optimizer in (self.optimizer, *(run.optimizer for run in self.runs)):
            for group in optimizer.param_groups:
                group["lr"] = rate
        strengths = [sparsity_strengths(run.params.sparsity, step, pretrain.steps) for run in self.runs]
        # Tensors: as numbers they would be compiled anew when they change.
        given = torch.tensor([list(one) for one in strengths], device=self.runtime.device)
        terms: dict[str, Tensor] = {}
        inputs = [run.inputs(batch, step) for run, batch in zip(self.runs, batches, strict=True)]
        for parts in zip(*inputs, strict=True):
            images, masks, draws = zip(*parts, strict=True)
            with self.runtime.autocast():
                found = self.losses(
                    *(self._weights(), self.buffers, torch.stack(images)),
                    *(torch.stack([mask.context for mask in masks]), torch.stack([m.targets for m in masks])),
                    *(_stacked(draws), given),
                )
            (torch.stack(list(found.values())).sum() / pretrain.accumulation).backward()
            for name, value in found.items():
                terms[name] = terms.get(name, 0) + value.detach() / pretrain.accumulation

        terms["grad_norm"] = self._clip(pretrain.grad_clip or float("inf"))
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        for at, (run, own) in enumerate(zip(self.runs, strengths, strict=True)):
            if self.proximal is not None:
                grad = self.proximal.numbers.grad
                assert grad is not None and run.model.method is not None
                run.model.get_parameter(PROXIMAL).grad = self.proximal.row(grad, at)[PROXIMAL]
            run.model.after_step(sparsity.learning_rate * rate / pretrain.learning_rate, own)
        if self.proximal is not None:
            self.proximal.numbers.grad = None
        self._update_targets(ema_momentum(self.params.objective, step, pretrain.steps))
        return [{name: value[at] for name, value in terms.items()} for at in range(count)]

    def _terms(
        self,
        weights: dict[str, Tensor],
        buffers: dict[str, Tensor],
        images: Tensor,
        context: Tensor,
        targets: Tensor,
        draws: dict[str, Tensor],
        strengths: Float[Tensor, "3"],
    ) -> dict[str, Tensor]:
        """Of one member; buffers are updated in place."""
        own = Strengths(*strengths.unbind())  # pyright: ignore[reportArgumentType]
        given = (images, Masks(context, targets), Draws(**draws), own)
        return functional_call(self.model, weights | buffers, given)

    def _weights(self) -> dict[str, Tensor]:
        stacks = [*self.learned, *self.targets, *([self.proximal] if self.proximal else [])]
        return {name: tensor for stack in stacks for name, tensor in stack.named().items()}

    @torch.no_grad()
    def _clip(self, limit: float) -> Float[Tensor, " members"]:
        """As torch.nn.utils.clip_grad_norm_ of each member; returns the norms."""
        grads = [stack.numbers.grad for stack in self.learned if stack.numbers.grad is not None]
        norms = torch.linalg.vector_norm(
            torch.stack([torch.linalg.vector_norm(grad, dim=1) for grad in grads]), dim=0
        )
        for grad in grads:
            grad.mul_((limit / (norms + 1e-6)).clamp(max=1)[:, None])
        return norms

    @torch.no_grad()
    def _update_targets(self, momentum: float) -> None:
        """As pipeline.jepa.objective.update_target."""
        pairs = zip(self.targets, self.learned, strict=True)
        contexts = [stack.numbers[:, : sum(target.sizes)] for target, stack in pairs]
        get_ema_multi_avg_fn(momentum)([target.numbers for target in self.targets], contexts, 0)

    def _share_weights(self, weights: list[dict[str, torch.nn.Parameter]]) -> None:
        for stack in [*self.learned, *self.targets, *([self.proximal] if self.proximal else [])]:
            for at, own in enumerate(weights):
                for name, view in stack.row(stack.numbers, at).items():
                    own[name].data = view

    def _share_buffers(self) -> dict[str, Tensor]:
        shared = {}
        for name in self.runs[0].model.state_dict().keys() & dict(self.runs[0].model.named_buffers()).keys():
            stacked = torch.stack([run.model.get_buffer(name) for run in self.runs])
            module, _, leaf = name.rpartition(".")
            for run, view in zip(self.runs, stacked, strict=True):
                setattr(run.model.get_submodule(module), leaf, view)
            shared[name] = stacked
        return shared

    def _share_moments(self, weights: list[dict[str, torch.nn.Parameter]]) -> torch.optim.Optimizer:
        """One AdamW for all; the runs' own hold views of its moments, so that their states are complete."""
        pretrain = self.params.pretrain
        decays = (pretrain.weight_decay, 0.0)
        groups = [
            {"params": [stack.numbers], "weight_decay": decay}
            for stack, decay in zip(self.learned, decays, strict=True)
        ]
        optimizer = torch.optim.AdamW(groups, lr=pretrain.learning_rate, betas=pretrain.betas, fused=True)
        steps = torch.tensor(float(self.runs[0].step), device=self.runtime.device)
        for stack in self.learned:
            moments: dict[str, Tensor] = {}
            for kind in MOMENTS:
                known = [
                    {
                        name: run.optimizer.state[own[name]].get(kind, torch.zeros_like(own[name]))
                        for name in stack.shapes
                    }
                    for run, own in zip(self.runs, weights, strict=True)
                ]
                moments[kind] = Stack(known).numbers
            optimizer.state[stack.numbers] = {"step": steps.clone(), **moments}
            for at, (run, own) in enumerate(zip(self.runs, weights, strict=True)):
                rows = {kind: stack.row(numbers, at) for kind, numbers in moments.items()}
                for name in stack.shapes:
                    state = {kind: row[name] for kind, row in rows.items()}
                    run.optimizer.state[own[name]] = {"step": optimizer.state[stack.numbers]["step"]} | state
        return optimizer


def train_together(members: Sequence[Member]) -> None:
    """Train runs to their last step and save every state.

    Those that were stopped go on from the last step of which all have a state. What cannot join, because it
    is finished, ahead of the others or damaged, is left to its own stage. Raises as pipeline.pretrain.loop
    does, and ParamsError where the runs are not alike.
    """
    check([member.run.params for member in members])
    steps = members[0].run.params.pretrain.steps
    left = [member for member in members if steps not in member.checkpoints.steps()]
    begun = [set(member.checkpoints.steps()) for member in left]
    common = max(set.intersection(*begun), default=0) if begun else 0
    if common:
        states = [member.checkpoints.load(common, member.run.runtime.device) for member in left]
        for member, state in zip(left, states, strict=True):
            if state is not None:
                member.run.load_state(state)
        left = [member for member in left if member.run.step == common]
    else:
        left = [member for member, own in zip(left, begun, strict=True) if not own]
    left = left if len(left) > 1 else []
    alone = len(members) - len(left)
    print(
        f"pretrain: {len(left)} runs together"
        f"{f', after step {common} of {steps}' if common else ''}"
        f"{f'; {alone} finished or further, left to their own stage' if alone else ''}",
        flush=True,
    )
    if left:
        advance(left, Together([member.run for member in left]).step)


def _target_weights(own: dict[str, torch.nn.Parameter], names: Iterable[str]) -> dict[str, Tensor]:
    """Of the target encoder, those whose namesakes in the context encoder are among `names`."""
    found = (TARGET + name.removeprefix(CONTEXT) for name in names if name.startswith(CONTEXT))
    return {name: own[name] for name in found}


def _stacked(draws: Sequence[Draws]) -> dict[str, Tensor]:
    """The random numbers that there are, of all members."""
    fields = zip(Draws._fields, zip(*draws, strict=True), strict=True)
    return {name: torch.stack(drawn) for name, drawn in fields if drawn[0] is not None}
