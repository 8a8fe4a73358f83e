"""Schedules as functions of the step: no state, so a resumed run continues them exactly."""

import math

from pipeline.params import ObjectiveParams, PretrainParams, SparsityParams
from pipeline.sparsity.method import Strengths


def learning_rate(pretrain: PretrainParams, step: int) -> float:
    """Linear warm-up from learning_rate / warm-up steps, then a cosine to learning_rate * final_fraction.

    Steps count from 0; the last, steps - 1, has the final value exactly.
    """
    warmup = round(pretrain.warmup_fraction * pretrain.steps)
    if step < warmup:
        return pretrain.learning_rate * (step + 1) / warmup
    progress = (step - warmup) / max(pretrain.steps - 1 - warmup, 1)
    cosine = (1 + math.cos(math.pi * progress)) / 2
    return pretrain.learning_rate * (pretrain.final_fraction + (1 - pretrain.final_fraction) * cosine)


def ema_momentum(objective: ObjectiveParams, step: int, steps: int) -> float:
    """Linear from the first to the last of objective.ema_momentum over the steps 0..steps - 1."""
    first, last = objective.ema_momentum
    return first + (last - first) * step / max(steps - 1, 1)


def sparsity_strengths(sparsity: SparsityParams, step: int, steps: int) -> Strengths:
    """weight, beta and lambda rise linearly to their values over their warm-up's share of the steps.

    lambda's warm-up lets W learn before it is thinned, beta's keeps the posterior from falling to the prior.
    """

    def risen(share: float) -> float:
        return min(1.0, (step + 1) / max(share * steps, 1.0))

    return Strengths(
        weight=sparsity.weight * risen(sparsity.weight_warmup),
        beta=sparsity.beta * risen(sparsity.beta_warmup),
        lambda_=sparsity.lambda_ * risen(sparsity.lambda_warmup),
    )


def regroups(sparsity: SparsityParams, step: int, steps: int) -> bool:
    """Whether learned groups are computed anew after `step` steps. This happens only in the first half of the
    run, so that W can settle."""
    if sparsity.method == "none" or sparsity.assignment != "learned":
        return False
    return step % sparsity.regroup_every == 0 and step <= steps // 2
