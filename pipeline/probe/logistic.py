"""Multinomial logistic regression: many problems over the same features, solved together and to convergence.

Legend: images, dim of the features, columns = the classes of all problems side by side.
"""

from dataclasses import dataclass
from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor

HISTORY = 10
MAX_BACKTRACKS = 30
ARMIJO = 1e-4
FLATTEST = 1e-4  # least curvature of a class: one that is certain everywhere may become uncertain again


@dataclass(frozen=True)
class Problem:
    """target: (images,) int64 in 0..num_classes-1; images with -1 are left out. l2: strength, > 0."""

    target: Int[Tensor, " images"]
    num_classes: int
    l2: float


@dataclass(frozen=True)
class Solution:
    """weights: (num_classes, dim + 1), the bias last. gradient_norm: see `solve`, at the last iterate."""

    weights: Float[Tensor, "classes dim_and_bias"]
    gradient_norm: float
    iterations: int
    converged: bool


def solve(
    features: Float[Tensor, "images dim"],
    variance: Float[Tensor, " dim"],
    problems: list[Problem],
    start: list[Tensor] | None = None,
    tolerance: float = 1e-4,
    max_iterations: int = 500,
) -> list[Solution]:
    """Minimise, for each problem, the mean over its images i of

        -ln softmax(W z_i + b)[y_i]   +   l2 / 2 |W|^2        (the bias b is free)

    scikit-learn's C is 1 / (images * l2); its binary model has one weight vector where this has two, so there
    C is 2 / (images * l2).

    `features` must be uncorrelated (principal components), with `variance` in each direction. The block of
    the Hessian that belongs to class k is then near the diagonal c_k variance + l2, c_k the mean of
    p_k (1 - p_k) over images at the start (exact for zero weights), and L-BFGS started from its inverse is
    hardly slowed by ill-conditioned features. Weights keep their coordinates, so the penalty is untouched.
    The line search needs no product with the features, and the residual's product gives the gradient.

    Converged means sqrt(g' H^-1 g) <= tolerance, g the gradient and H that diagonal; half its square, the
    Newton decrement's, is about the loss that is left, in nats. `start` holds weights to begin with (a
    neighbouring strength's).
    Memory: about six times images x columns numbers.
    """
    state = _State(features, variance, problems, start)
    solutions: dict[int, Solution] = {}
    for iteration in range(max_iterations + 1):
        norms = state.gradient_norms()
        done = [
            norm <= tolerance or stalled or iteration == max_iterations
            for norm, stalled in zip(norms, state.stalled, strict=True)
        ]
        for place, key in enumerate(state.keys):
            if done[place]:
                solutions[key] = Solution(
                    weights=state.weights[state.slices[place]].clone(),
                    gradient_norm=norms[place],
                    iterations=iteration,
                    converged=norms[place] <= tolerance,
                )
        if all(done):
            break
        if any(done):
            state.keep([place for place, is_done in enumerate(done) if not is_done])
        state.step()
    return [solutions[key] for key in range(len(problems))]


def logits(
    weights: Float[Tensor, "classes dim_and_bias"], features: Tensor
) -> Float[Tensor, "images classes"]:
    """W z + b of each image."""
    return features @ weights[:, :-1].T + weights[:, -1]


class _Pair(NamedTuple):
    """What L-BFGS remembers of a step. curvature: of each problem, the inner product of both."""

    move: Float[Tensor, "columns dim_and_bias"]
    turn: Float[Tensor, "columns dim_and_bias"]
    curvature: Float[Tensor, " problems"]


class _State:
    """Iterates, gradients and L-BFGS memory of the problems that have not converged."""

    def __init__(
        self, features: Tensor, variance: Tensor, problems: list[Problem], start: list[Tensor] | None
    ) -> None:
        make = {"dtype": features.dtype, "device": features.device}
        self.features = features
        self.problems = problems
        self.keys = list(range(len(problems)))
        self.labelled = [problem.target >= 0 for problem in problems]
        self.counts = [max(int(mask.sum()), 1) for mask in self.labelled]
        self.stalled = [False] * len(problems)
        self._lay_out()
        strengths = torch.tensor([problem.l2 for problem in problems], **make)[self.owner][:, None]
        dim = features.shape[1]
        self.penalty = torch.cat([strengths.expand(-1, dim), torch.zeros_like(strengths)], dim=1)
        self.weights = torch.zeros_like(self.penalty) if start is None else torch.cat(start).to(**make)
        self.pairs: list[_Pair] = []
        self.logits = self._times_features(self.weights)
        self.residual = torch.empty_like(self.logits)
        self.losses, curvature = [], torch.empty_like(strengths)
        for place, rows in enumerate(self.slices):
            loss, self.residual[rows] = self._loss(place, self.logits[rows])
            self.losses.append(loss + self._penalty_of(rows, self.weights[rows]))
            curvature[rows, 0] = self._curvature(place, self.residual[rows])
        self.inverse = 1 / torch.cat([curvature * variance.to(**make) + strengths, curvature], dim=1)
        self.gradient = self._gradient()

    def _lay_out(self) -> None:
        sizes = [self.problems[key].num_classes for key in self.keys]
        ends = torch.tensor(sizes).cumsum(0).tolist()
        self.slices = [slice(end - size, end) for end, size in zip(ends, sizes, strict=True)]
        self.owner = torch.repeat_interleave(torch.arange(len(sizes)), torch.tensor(sizes))
        self.owner = self.owner.to(self.features.device)

    def keep(self, places: list[int]) -> None:
        """Drop the other problems."""
        kept = torch.tensor(places, device=self.owner.device)
        columns = torch.isin(self.owner, kept)
        self.keys = [self.keys[place] for place in places]
        self.losses = [self.losses[place] for place in places]
        self.stalled = [self.stalled[place] for place in places]
        for name in ("inverse", "penalty", "weights", "logits", "residual", "gradient"):
            setattr(self, name, getattr(self, name)[columns])
        self.pairs = [_Pair(move[columns], turn[columns], of[kept]) for move, turn, of in self.pairs]
        self._lay_out()

    def gradient_norms(self) -> list[float]:
        return self._dot(self.gradient, self.inverse * self.gradient).sqrt().tolist()

    def step(self) -> None:
        """One L-BFGS step of every problem, each with its own step length."""
        direction = self._direction()
        change = self._times_features(direction)
        slopes = self._dot(self.gradient, direction).tolist()
        lengths = torch.zeros_like(self.weights[:, :1])
        for place, rows in enumerate(self.slices):
            lengths[rows] = self._search(place, rows, direction[rows], change[rows], slopes[place])
        move = lengths * direction
        self.weights = self.weights + move
        self.logits.addcmul_(lengths, change)
        gradient = self._gradient()
        turn = gradient - self.gradient
        self.pairs = [*self.pairs, _Pair(move, turn, self._dot(move, turn))][-HISTORY:]
        self.gradient = gradient

    def _search(self, place: int, rows: slice, direction: Tensor, change: Tensor, slope: float) -> float:
        """Backtrack from length 1 to a sufficient decrease; store loss and residual, return the length."""
        start = self.losses[place]
        slack = 4 * torch.finfo(change.dtype).eps * abs(start)  # a decrease below rounding cannot be seen
        length = 1.0
        for _ in range(MAX_BACKTRACKS):
            loss, residual = self._loss(place, torch.add(self.logits[rows], change, alpha=length))
            loss += self._penalty_of(rows, self.weights[rows] + length * direction)
            if loss <= start + ARMIJO * length * slope + slack:
                self.losses[place] = loss
                self.residual[rows] = residual
                return length
            excess = loss - start - length * slope
            length *= min(max(-slope * length / (2 * excess), 0.1), 0.5)
        self.stalled[place] = True
        return 0.0

    def _loss(self, place: int, values: Tensor) -> tuple[float, Tensor]:
        """Mean cross-entropy in nats of logits (classes, images), and its gradient in them times images."""
        key = self.keys[place]
        labelled = self.labelled[key]
        target = self.problems[key].target.clamp(min=0)[None]
        log_probability = values.log_softmax(0)
        chosen = log_probability.gather(0, target)[0]
        residual = log_probability.exp_().scatter_add_(0, target, -torch.ones_like(chosen)[None])
        if self.counts[key] < len(labelled):
            chosen = chosen * labelled
            residual *= labelled
        return -chosen.sum(dtype=torch.float64).item() / self.counts[key], residual

    def _curvature(self, place: int, residual: Tensor) -> Tensor:
        """Mean over labelled images of p (1 - p) for every class, of a loss's residual p - [y = k]."""
        key = self.keys[place]
        target = self.problems[key].target.clamp(min=0)[None]
        chance = residual.scatter_add(0, target, self.labelled[key][None].to(residual.dtype))
        return ((chance * (1 - chance)).sum(1) / self.counts[key]).clamp(min=FLATTEST)

    def _penalty_of(self, rows: slice, weights: Tensor) -> float:
        return (self.penalty[rows] * weights.square()).sum(dtype=torch.float64).item() / 2

    def _times_features(self, weights: Tensor) -> Tensor:
        return torch.addmm(weights[:, -1:], weights[:, :-1], self.features.T)

    def _gradient(self) -> Tensor:
        counts = torch.tensor([self.counts[key] for key in self.keys]).to(self.features)[self.owner][:, None]
        of_loss = torch.cat([self.residual @ self.features, self.residual.sum(1, keepdim=True)], dim=1)
        return of_loss / counts + self.penalty * self.weights

    def _dot(self, first: Tensor, second: Tensor) -> Tensor:
        """Inner product of each problem's columns."""
        totals = torch.zeros(len(self.keys), dtype=first.dtype, device=first.device)
        return totals.index_add(0, self.owner, (first * second).sum(1))

    def _direction(self) -> Tensor:
        """-(L-BFGS inverse Hessian) gradient (Nocedal and Wright, algorithm 7.4), from the scaled bound."""
        direction = -self.gradient
        steps = []
        for move, turn, curvature in reversed(self.pairs):
            share = torch.where(curvature > 0, self._dot(move, direction) / curvature, 0)
            direction = direction - share[self.owner][:, None] * turn
            steps.append((move, turn, curvature, share))
        if self.pairs:
            _, turn, curvature = self.pairs[-1]
            scale = torch.where(curvature > 0, curvature / self._dot(turn, self.inverse * turn), 1)
            direction = direction * scale[self.owner][:, None]
        direction = direction * self.inverse
        for move, turn, curvature, share in reversed(steps):
            back = torch.where(curvature > 0, self._dot(turn, direction) / curvature, 0)
            direction = direction + (share - back)[self.owner][:, None] * move
        return direction
