"""A trainer: the sparse JEPA of one run, its optimiser, and the state that resumes the run at any step."""

from collections.abc import Iterator
from typing import Any

import torch
from jaxtyping import Float, UInt8
from torch import Tensor, nn

from pipeline.data import recolour
from pipeline.data.augment import augment_batch
from pipeline.data.generators import generator
from pipeline.data.normalise import normalise
from pipeline.jepa import masking
from pipeline.jepa.encoder import encode
from pipeline.jepa.kernels import fit_kernels
from pipeline.jepa.masking import Masks
from pipeline.jepa.objective import Gather, Jepa, own_rows, update_target
from pipeline.params import AugmentParams, Params
from pipeline.pretrain.optimizer import (
    build_adamw,
    is_clipped_alone,
    learned_parameters,
    parameter_groups,
)
from pipeline.pretrain.parallel.ranks import SINGLE_PROCESS, Ranks
from pipeline.pretrain.schedules import ema_momentum, learning_rate, regroups, sparsity_strengths
from pipeline.pretrain.step import TrainingStep
from pipeline.pretrain.tracking import LossTerms, peak_memory_mb
from pipeline.runtime import Runtime
from pipeline.sparsity.batch import Strengths
from pipeline.sparsity.sparse_jepa import Batch, SparseJepa

Row = dict[str, int | float]


class Trainer(TrainingStep[Tensor]):
    """The state of one run.

    mean, std: of each channel, for `normalise`. augment: what `augment.allowed` left of params.augment.
    ranks: the processes that share every batch; `train_step` takes the rows of this one.
    """

    def __init__(
        self,
        params: Params,
        augment: AugmentParams,
        mean: tuple[float, ...],
        std: tuple[float, ...],
        runtime: Runtime,
        ranks: Ranks = SINGLE_PROCESS,
    ) -> None:
        self.params, self.augment, self.mean, self.std, self.runtime = params, augment, mean, std, runtime
        self.ranks = ranks
        # One object for the whole run: each access of a bound method makes a new one, and torch.compile would
        # compile anew for it.
        self.gather: Gather = own_rows if ranks is SINGLE_PROCESS else ranks.gather
        self.grid = params.data.image_size // params.model.patch_size
        self.model = build_model(params).to(runtime.device)
        self.jepa = self.model.jepa
        fit_kernels(self.jepa, runtime.device)
        self.losses = torch.compile(self.model) if params.runtime.compile else self.model
        self.optimizer = build_adamw(
            parameter_groups(self.model, params.pretrain.weight_decay), params.pretrain
        )
        learned = learned_parameters(self.model).adamw()
        alone = [name for name in learned if is_clipped_alone(name, params.sparsity)]
        self.clipped = [weight for name, weight in learned.items() if name not in alone]
        self.clipped_alone = [learned[name] for name in alone]
        self.step = 0  # steps done
        self.seconds = 0.0  # spent on the run by all processes; of runs that train together each has a part
        self.together = 1  # runs that trained in the last process, this one included
        self.stretches: list[dict[str, Any]] = []  # pipeline.pretrain.stretches
        self.history: list[Row] = []
        self.terms = LossTerms()

    def loss_arguments(
        self, images: UInt8[Tensor, "images size size 3"], step: int
    ) -> Iterator[tuple[Batch, Strengths, Gather]]:
        """The arguments of the model for each micro-batch."""
        strengths = self.strengths(step)
        for batch in self.micro_batches(images, step):
            yield batch, strengths, self.gather

    def micro_batches(self, images: UInt8[Tensor, "images size size 3"], step: int) -> Iterator[Batch]:
        """What the model reads in each micro-batch: augmented images, masks, random numbers."""
        pretrain, device, shard = self.params.pretrain, self.runtime.device, self.ranks.shard
        size = len(images) * shard.world_size
        if recolour.is_on(self.augment):
            draw = generator(pretrain.seed, step, "recolour", device)
            images = recolour.recolour(images, self.augment, draw, shard)
        draw = generator(pretrain.seed, step, "augment", device)
        augmented = augment_batch(normalise(images, self.mean, self.std), self.augment, draw, shard)
        masks = masking.sample(self.params.masking, self.grid, size, pretrain.seed, step, device)
        masks = Masks(*map(shard.rows, masks))
        draws = self.model.draw(size, masks, pretrain.seed, step, device)
        return Batch(augmented, masks, draws).chunk(pretrain.accumulation)

    def strengths(self, step: int) -> Strengths:
        """Factors of the sparsity method's terms at a step."""
        return sparsity_strengths(self.params.sparsity, step, self.params.pretrain.steps)

    def average_over_processes(self, terms: dict[str, Tensor]) -> dict[str, Tensor]:
        return self.ranks.average_gradients(self.model.parameters(), terms)

    def clip_gradients(self, limit: float) -> Float[Tensor, ""]:
        nn.utils.clip_grad_norm_(self.clipped_alone, limit, foreach=True)
        return nn.utils.clip_grad_norm_(self.clipped, limit, foreach=True)

    def proximal_step(self, learning_rate: float, step: int) -> None:
        self.model.proximal_step(learning_rate, self.strengths(step))

    def update_target_encoder(self, momentum: float) -> None:
        update_target(self.jepa.target_encoder, self.jepa.context_encoder, momentum)

    def regroup(self, step: int) -> None:
        if self.model.method is not None and regroups(
            self.params.sparsity, step + 1, self.params.pretrain.steps
        ):
            self.model.method.learn_groups()

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

    @torch.no_grad()
    def masked_features(
        self, images: UInt8[Tensor, "images size size 3"], views: int
    ) -> Float[Tensor, "images views embed_dim"]:
        """Mean-pooled target-encoder features of the context patches alone, under the masks of as many steps
        as there are views. The masks are those of seed 0, so that all looks and all runs compare."""
        pixels = normalise(images.to(self.runtime.device), self.mean, self.std)
        features = []
        for view in range(views):
            masks = masking.sample(self.params.masking, self.grid, len(images), 0, view, self.runtime.device)
            with self.runtime.autocast():
                features.append(encode(self.jepa.target_encoder, pixels, masks.context).float().mean(1))
        return torch.stack(features, 1)

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
        """Everything that resumes the run. Tensors are copied, because runs that train together share storage
        and torch.save would write the whole storage."""
        return {
            "model": _copied(self.model.state_dict()),
            "optimizer": _copied(self.optimizer.state_dict()),
            "step": self.step,
            "seconds": self.seconds,
            "together": self.together,
            "stretches": self.stretches,
            "history": self.history,
            "sums": self.terms.sums,
            "count": self.terms.count,
        }

    def fits(self, state: Any) -> bool:
        """Whether a trainer that has taken no step yet can take over `state`."""
        return _fits(state, self.state())

    def load_state(self, state: dict[str, Any]) -> None:
        """Take over what `state` returned."""
        self.model.load_state_dict(state["model"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.step, self.seconds, self.history = state["step"], state["seconds"], state["history"]
        self.together, self.stretches = state["together"], state["stretches"]
        self.terms = LossTerms(state["sums"], state["count"])


def build_model(params: Params) -> SparseJepa:
    """The model with the weights of pretrain.seed, on the CPU."""
    seed = params.pretrain.seed
    jepa = Jepa(params.model, params.objective, params.regularizer, params.data.image_size, seed)
    return SparseJepa(jepa, params.sparsity, seed)


def _fits(state: Any, new: Any) -> bool:
    """Whether a tree has the keys, types and shapes of a new trainer's, whose empty parts fill up later."""
    if type(state) is not type(new):
        return False
    if isinstance(new, Tensor):
        return state.shape == new.shape
    if isinstance(new, dict) and new:
        return state.keys() == new.keys() and all(_fits(state[key], new[key]) for key in new)
    if isinstance(new, list) and new:
        return len(state) == len(new) and all(map(_fits, state, new))
    return True


def _copied(tree: Any) -> Any:
    """The same tree of dicts and lists with every tensor in a storage of its own."""
    if isinstance(tree, Tensor):
        return tree.clone()
    if isinstance(tree, dict):
        return {key: _copied(value) for key, value in tree.items()}
    if isinstance(tree, list):
        return [_copied(value) for value in tree]
    return tree
