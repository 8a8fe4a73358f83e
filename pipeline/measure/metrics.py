"""What a prediction scores: accuracy and the coefficient of determination."""

from typing import Any

from jaxtyping import Float, Int
from torch import Tensor

Metrics = dict[str, Any]  # numbers by name, and words where a number is absent or was chosen


def accuracy(predicted: Int[Tensor, " images"], target: Int[Tensor, " images"]) -> float:
    """Share of the labelled images (target >= 0) that are predicted right; 0 where none is labelled."""
    labelled = target >= 0
    return ((predicted == target) & labelled).sum().item() / max(int(labelled.sum()), 1)


def r2(predicted: Float[Tensor, " images"], target: Float[Tensor, " images"]) -> float:
    """1 - sum (y - y^)^2 / sum (y - mean y)^2; 0 where all targets are equal or there is none."""
    if len(target) == 0:
        return 0.0
    total = (target - target.mean()).square().sum().item()
    return 1 - (target - predicted).square().sum().item() / total if total > 0 else 0.0
