"""A run: the sparse JEPA, its optimiser, one training step, and what continues it from any step."""

from collections.abc import Callable, Iterator
from typing import Any

import torch
from jaxtyping import Float, UInt8
from torch import Tensor, nn

from pipeline.data.augment import augment_batch
from pipeline.data.generators import generator
from pipeline.data.normalise import normalise
from pipeline.jepa import masking
from pipeline.jepa.encoder import encode
from pipeline.jepa.kernels import fit_kernels
from pipeline.jepa.masking import Masks
from pipeline.jepa.objective import Jepa, update_target
from pipeline.params import AugmentParams, Params
from pipeline.pretrain.parallel.ranks import ALONE, Ranks
from pipeline.pretrain.schedules import ema_momentum, learning_rate, regroups, sparsity_strengths
from pipeline.pretrain.tracking import Terms, peak_memory_mb
from pipeline.runtime import Runtime
from pipeline.sparsity.sparse_jepa import Draws, SparseJepa

Encode = Callable[[UInt8[Tensor, "images size size 3"]], Float[Tensor, "images embed_dim"]]
Row = dict[str, int | float]


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
        self.model = build_model(params).to(runtime.device)
        self.jepa = self.model.jepa
        fit_kernels(self.jepa, runtime.device)
        if ranks is not ALONE:
            self.jepa.gather = ranks.gather
        self.losses = torch.compile(self.model) if params.runtime.compile else self.model
        self.optimizer = torch.optim.AdamW(
            parameter_groups(self.model, params.pretrain.weight_decay),
            lr=params.pretrain.learning_rate,
            betas=params.pretrain.betas,
            fused=True,
        )
        self.step = 0
        self.seconds = (
            0.0  # of all processes that trained it; its part, where it trained together with others
        )
        self.together = 1  # runs that the last process trained, this one included
        self.history: list[Row] = []
        self.terms = Terms()

    def train_step(self, batch: UInt8[Tensor, "batch size size 3"], step: int) -> dict[str, Tensor]:
        """Update all weights once. Returns the loss terms (means over micro-batches) and `grad_norm`."""
        pretrain = self.params.pretrain
        rate = learning_rate(pretrain, step)
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        strengths = sparsity_strengths(self.params.sparsity, step, pretrain.steps)

        terms: dict[str, Tensor] = {}
        for part in self.inputs(batch, step):
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

    def inputs(
        self, batch: UInt8[Tensor, "batch size size 3"], step: int
    ) -> Iterator[tuple[Float[Tensor, "part 3 size size"], Masks, Draws]]:
        """What the model reads in each micro-batch of a step: augmented images, masks, random numbers."""
        pretrain, device, share = self.params.pretrain, self.runtime.device, self.ranks.share
        size = len(batch) * share.count
        draw = generator(pretrain.seed, step, "augment", device)
        images = augment_batch(normalise(batch, self.mean, self.std), self.augment, draw, share)
        masks = masking.sample(self.params.masking, self.grid, size, pretrain.seed, step, device)
        masks = Masks(*map(share.rows, masks))
        draws = self.model.draw(size, masks.context.shape[1], pretrain.seed, step, device)
        return micro_batches(images, masks, draws, pretrain.accumulation)

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

    def state(self) -> dict[str, Any]:
        """Everything that continues the run. Copies: runs that train together share storage, and torch.save
        writes a storage whole."""
        return {
            "model": _copied(self.model.state_dict()),
            "optimizer": _copied(self.optimizer.state_dict()),
            "step": self.step,
            "seconds": self.seconds,
            "together": self.together,
            "history": self.history,
            "sums": self.terms.sums,
            "count": self.terms.count,
        }

    def load_state(self, state: dict[str, Any]) -> None:
        """Take over what `state` returned."""
        self.model.load_state_dict(state["model"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.step, self.seconds, self.history = state["step"], state["seconds"], state["history"]
        self.together = state["together"]
        self.terms = Terms(state["sums"], state["count"])


def build_model(params: Params) -> SparseJepa:
    """The model with the weights of pretrain.seed, on the CPU."""
    seed = params.pretrain.seed
    jepa = Jepa(params.model, params.objective, params.regularizer, params.data.image_size, seed)
    return SparseJepa(jepa, params.sparsity, seed)


UNDECAYED = ("token", ".c")  # the mask token and the sparse module's biases are no matrices
PROXIMAL = "method.W"  # has an optimiser of its own: pipeline.sparsity.oi_vae


def parameter_groups(module: nn.Module, weight_decay: float) -> list[dict[str, Any]]:
    """Weight decay for matrices; none for vectors, norms, biases and the mask token."""
    decayed, others = learned(module)
    return [
        {"params": list(decayed.values()), "weight_decay": weight_decay},
        {"params": list(others.values()), "weight_decay": 0.0},
    ]


def learned(module: nn.Module) -> tuple[dict[str, nn.Parameter], dict[str, nn.Parameter]]:
    """By name, the parameters that the optimiser moves: those that decay and the others."""
    decayed: dict[str, nn.Parameter] = {}
    others: dict[str, nn.Parameter] = {}
    for name, weight in module.named_parameters():
        if weight.requires_grad and name != PROXIMAL:
            kind = decayed if weight.ndim > 1 and not name.endswith(UNDECAYED) else others
            kind[name] = weight
    return decayed, others


def trained(module: nn.Module) -> list[nn.Parameter]:
    """The parameters that the optimiser moves."""
    return [weight for kind in learned(module) for weight in kind.values()]


def micro_batches(
    images: Tensor, masks: Masks, draws: Draws, parts: int
) -> Iterator[tuple[Tensor, Masks, Draws]]:
    """Split a batch, its masks and its random numbers in equal parts."""
    chunks = (tensor.chunk(parts) for tensor in (images, masks.context, masks.targets))
    for part, context, targets, drawn in zip(*chunks, draws.chunk(parts), strict=True):
        yield part, Masks(context, targets), drawn


def _copied(tree: Any) -> Any:
    """The same tree of dicts and lists with every tensor in a storage of its own."""
    if isinstance(tree, Tensor):
        return tree.clone()
    if isinstance(tree, dict):
        return {key: _copied(value) for key, value in tree.items()}
    if isinstance(tree, list):
        return [_copied(value) for value in tree]
    return tree
