"""The objective: prediction in the space of an EMA target encoder, and a term against collapse.

batch: images; patches: the grid; context, targets x block: patches of masks. Sources: I-JEPA (Assran et al.
2023, section 3); on context features VICReg (Bardes et al. 2022; used so in C-JEPA, Mo & Tong 2024)
or SIGReg (LeJEPA, Balestriero & LeCun 2025, section 4); independent groups (pipeline.jepa.independence).
"""

import copy
from collections.abc import Callable

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn
from torch.optim.swa_utils import get_ema_multi_avg_fn

from pipeline.data.generators import generator
from pipeline.files import ParamsError
from pipeline.jepa.encoder import build_encoder, encode
from pipeline.jepa.independence import draw_projections, independent_groups
from pipeline.jepa.masking import Masks
from pipeline.jepa.predictor import Predictor
from pipeline.params import ModelParams, ObjectiveParams, RegularizerParams

Gather = Callable[[Tensor], Tensor]  # a process's rows (shard, *any) -> those of all processes (batch, *any)


def own_rows(rows: Tensor) -> Tensor:
    """`gather` of a single process: it has all rows already."""
    return rows


class Jepa(nn.Module):
    """Context encoder, its EMA (the target encoder) and predictor, with the loss that trains them.

    `forward` returns the terms by name: `prediction` and, where asked for, `regularizer` (weighted).
    The total is their sum. `embed` and `terms` are its two halves. Their argument `gather` turns this
    process's rows into those of the batch, wherever a term is a statistic of the batch and not a mean over
    images.
    """

    def __init__(
        self,
        model: ModelParams,
        objective: ObjectiveParams,
        regularizer: RegularizerParams,
        image_size: int,
        seed: int,
    ) -> None:
        super().__init__()
        self.distance = objective.loss
        self.regularizer = regularizer
        self.context_encoder = build_encoder(model, image_size, seed)
        self.target_encoder = copy.deepcopy(self.context_encoder).requires_grad_(False)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed + 1)
            self.predictor = Predictor(
                model.predictor, self.context_encoder.embed_dim, image_size // model.patch_size
            )

    def forward(
        self,
        images: Float[Tensor, "batch 3 size size"],
        masks: Masks,
        draws: Tensor | None = None,
        gather: Gather = own_rows,
    ) -> dict[str, Tensor]:
        """draws: of `draw`."""
        return self.terms(*self.embed(images, masks), masks, draws, gather)

    def draw(self, groups: int, seed: int, step: int, device: torch.device) -> Tensor | None:
        """The random numbers of the regulariser at a step, a function of (seed, step); None if it has none.

        groups: of features, for independent_groups. Raises ParamsError where they do not divide embed_dim.
        """
        name, dim = self.regularizer.name, self.context_encoder.embed_dim
        if name == "sigreg":
            return sigreg_directions(dim, generator(seed, step, name, device))
        if name == "independent_groups":
            if dim % groups:
                raise ParamsError(
                    f"sparsity.groups: must divide the encoder's embed_dim ({dim}), got {groups}"
                )
            random = generator(seed, step, name, device)
            return draw_projections(groups, dim // groups, self.regularizer.probes, random)
        return None

    def embed(
        self, images: Float[Tensor, "batch 3 size size"], masks: Masks
    ) -> tuple[Float[Tensor, "batch context embed_dim"], Float[Tensor, "batch patches embed_dim"]]:
        """Context embeddings, with gradient, and the normalised targets of all patches, without."""
        with torch.no_grad():
            targets = normalised_targets(encode(self.target_encoder, images))
        return encode(self.context_encoder, images, masks.context), targets

    def terms(
        self,
        context: Float[Tensor, "batch context embed_dim"],
        targets: Float[Tensor, "batch patches embed_dim"],
        masks: Masks,
        draws: Tensor | None = None,
        gather: Gather = own_rows,
    ) -> dict[str, Tensor]:
        """The loss terms of embeddings as `embed` returns them."""
        predictions, hidden = self.predict(context, targets, masks)
        terms = {"prediction": prediction_loss(predictions, hidden, self.distance)}
        return terms | self.regularise(context, draws, gather)

    def predict(
        self,
        context: Float[Tensor, "batch context embed_dim"],
        targets: Float[Tensor, "batch patches embed_dim"],
        masks: Masks,
    ) -> tuple[
        Float[Tensor, "batch targets block embed_dim"], Float[Tensor, "batch targets block embed_dim"]
    ]:
        """The predicted tokens of the hidden patches, in float32, and those of the target encoder."""
        index = masks.targets.flatten(1)[..., None].expand(-1, -1, targets.shape[-1])
        hidden = targets.gather(1, index).unflatten(1, masks.targets.shape[1:])
        return self.predictor(context, masks.context, masks.targets).float(), hidden

    def regularise(
        self, context: Float[Tensor, "batch context embed_dim"], draws: Tensor | None, gather: Gather
    ) -> dict[str, Tensor]:
        """The term `regularizer` of context embeddings; no term where regularizer.name is none."""
        if self.regularizer.name == "none":
            return {}
        with torch.autocast(context.device.type, enabled=False):  # statistics over a batch need float32
            features = self._at_site(context.float(), gather)
            return {"regularizer": self.regularizer.weight * self._regulariser(features, draws)}

    def _at_site(
        self, context: Float[Tensor, "batch context embed_dim"], gather: Gather
    ) -> Float[Tensor, "rows embed_dim"]:
        """What regularizer.site names: a row for each image, or for each of its tokens."""
        if self.regularizer.site == "pooled":
            return gather(context.mean(1))
        return gather(context).flatten(0, 1)

    def _regulariser(self, features: Float[Tensor, "rows embed_dim"], draws: Tensor | None) -> Tensor:
        """The term regularizer.name of features."""
        if self.regularizer.name == "vicreg":
            return vicreg(features)
        assert draws is not None
        if self.regularizer.name == "sigreg":
            return sigreg(features, draws)
        return independent_groups(features, draws, self.regularizer.dependence)


def normalised_targets(embeddings: Float[Tensor, "... embed_dim"]) -> Float[Tensor, "... embed_dim"]:
    """Layer-norm without affine, in float32: t = LN(f_bar(x)) of I-JEPA."""
    return F.layer_norm(embeddings.float(), embeddings.shape[-1:])


def prediction_loss(
    predictions: Float[Tensor, "batch targets block embed_dim"],
    targets: Float[Tensor, "batch targets block embed_dim"],
    distance: str,
) -> Float[Tensor, ""]:
    """Mean over blocks, tokens and features of the smooth-L1 (threshold 1) or squared error."""
    if distance == "smooth_l1":
        return F.smooth_l1_loss(predictions, targets)
    return F.mse_loss(predictions, targets)


def vicreg(features: Float[Tensor, "batch embed_dim"]) -> Float[Tensor, ""]:
    """Variance and covariance terms of VICReg, in its proportion 25 : 1, divided by 25.

    mean_j max(0, 1 - sqrt(Var_j + 1e-4)) + (1/25) (1/d) sum_{i != j} Cov_ij^2, over the batch, unbiased.
    Zero where every feature has a standard deviation of 1 or more and all are uncorrelated.
    """
    centred = features - features.mean(0)
    covariance = centred.T @ centred / (len(features) - 1)
    deviation = (covariance.diagonal() + 1e-4).sqrt()
    off_diagonal = covariance - covariance.diagonal().diag()
    return F.relu(1 - deviation).mean() + off_diagonal.square().sum() / features.shape[1] / 25


def sigreg_directions(
    embed_dim: int, generator: torch.Generator, projections: int = 256
) -> Float[Tensor, "embed_dim projections"]:
    """Unit vectors, uniform on the sphere."""
    directions = torch.randn(embed_dim, projections, generator=generator, device=generator.device)
    return F.normalize(directions, dim=0)


def sigreg(
    features: Float[Tensor, "batch embed_dim"], directions: Float[Tensor, "embed_dim projections"]
) -> Float[Tensor, ""]:
    """Epps-Pulley distance of the projected features to N(0, 1), mean over directions.

    batch * integral over [-5, 5] of |mean exp(i t x) - exp(-t^2 / 2)|^2 exp(-t^2 / 2) dt, by the trapezoid
    rule on 17 points. Zero for a standard normal in the limit of large batches.
    """
    points = torch.linspace(-5, 5, 17, device=features.device)
    normal = (-points.square() / 2).exp()
    angles = (features @ directions)[..., None] * points
    distance = (angles.cos().mean(0) - normal).square() + angles.sin().mean(0).square()
    return len(features) * torch.trapezoid(distance * normal, points, dim=-1).mean()


@torch.no_grad()
def update_target(target: nn.Module, context: nn.Module, momentum: float) -> None:
    """Move every weight of the target encoder: w_bar <- momentum w_bar + (1 - momentum) w."""
    average = get_ema_multi_avg_fn(momentum)
    average(list(target.parameters()), list(context.parameters()), 0)
