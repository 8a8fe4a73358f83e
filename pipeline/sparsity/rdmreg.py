"""Rectified distribution matching: rectified features like independent rectified generalised Gaussians.

relu(h) is matched to relu(mu + sigma x), x ~ exp(-|x|^p / p), in each of a few random directions, by the
squared 2-Wasserstein distance between equally many samples: the mean squared difference of sorted
projections. mu sets how many features are zero, P(x < -mu / sigma); p is the shape; sigma gives unit variance
before rectification.

Source: Rectified LpJEPA (arXiv 2602.01456), RDMReg; Nadjahi et al. 2020 for the sliced distance. There
relu(h) is the embedding in which views are compared. `sparsity.rdmreg.rectifies: embedding` is that form, and
presets/rdmreg-published.yaml has its other settings. With `copy` relu(h) serves the distance alone.
"""

import math

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor

from pipeline.params import SparsityParams
from pipeline.sparsity.batch import SparsityBatch
from pipeline.sparsity.groups import split_groups
from pipeline.sparsity.method import RUNNING, SparsityMethod, update_running_mean


def unit_scale(p: float) -> float:
    """sigma such that sigma x has variance 1 where x has density proportional to exp(-|x|^p / p)."""
    return math.sqrt(math.exp(math.lgamma(1 / p) - math.lgamma(3 / p))) / p ** (1 / p)


def sample_rectified(
    shape: tuple[int, ...], p: float, mu: float, generator: torch.Generator
) -> Float[Tensor, "..."]:
    """relu(mu + sigma x): |x| = (p Gamma(1/p))^(1/p) with a random sign."""
    seed = int(torch.randint(2**62, (), generator=generator, device=generator.device))
    with torch.random.fork_rng(devices=[]):  # torch's gamma sampler takes no generator
        torch.manual_seed(seed)
        gamma = torch.distributions.Gamma(1 / p, 1.0).sample(shape)
        sign = torch.randint(2, shape) * 2 - 1
    return F.relu(mu + unit_scale(p) * sign * (p * gamma) ** (1 / p)).to(generator.device)


def sliced_wasserstein(
    first: Float[Tensor, "samples dim"],
    second: Float[Tensor, "samples dim"],
    directions: Float[Tensor, "dim projections"],
) -> Float[Tensor, ""]:
    """Mean over unit directions of the squared 2-Wasserstein distance between the projected samples."""
    return ((first @ directions).sort(0).values - (second @ directions).sort(0).values).square().mean()


class Rdmreg(SparsityMethod):
    """sparsity.method: rdmreg. It has no weights."""

    zeros: Float[Tensor, ""]

    def __init__(self, sparsity: SparsityParams, dim: int) -> None:
        super().__init__(sparsity, dim)
        self.rdmreg = sparsity.rdmreg
        self.rectifies_embedding = sparsity.rdmreg.rectifies == "embedding"
        self.register_buffer("zeros", torch.zeros(()))

    def draw(
        self, batch: int, sites: int, generator: torch.Generator
    ) -> tuple[Float[Tensor, "batch sites dim"], Float[Tensor, "dim projections"]]:
        """noise: samples of the rectified distribution, one a feature. directions: unit vectors."""
        dim = len(self.order)
        directions = torch.randn(dim, self.rdmreg.projections, generator=generator, device=generator.device)
        samples = sample_rectified((batch, sites, dim), self.rdmreg.p, self.rdmreg.mu, generator)
        return samples, F.normalize(directions, dim=0)

    def forward(self, batch: SparsityBatch) -> dict[str, Tensor]:
        """One term: lambda * the sliced distance of the rectified features to the samples."""
        assert batch.noise is not None and batch.directions is not None
        rectified = F.relu(batch.tokens)
        self.update_statistics(self.energies(batch.tokens.detach()), batch.targets)
        update_running_mean(self.zeros, (rectified.detach() == 0).float().mean(), RUNNING)
        distance = sliced_wasserstein(rectified.flatten(0, 1), batch.noise.flatten(0, 1), batch.directions)
        return {"rdmreg": batch.strengths.lambda_ * distance}

    def latents(self, tokens: Float[Tensor, "*batch dim"]) -> Float[Tensor, "*batch dim"]:
        """The rectified features."""
        return F.relu(tokens)

    def latent_groups(self) -> Int[Tensor, "groups size"]:
        """Those of the features."""
        return self.order.view(self.groups, -1)

    def energies(self, tokens: Float[Tensor, "*batch dim"]) -> Float[Tensor, "*batch groups"]:
        """Mean square of a group's rectified features."""
        return split_groups(F.relu(tokens), self.order, self.groups).square().mean(-1)

    def describe(self) -> dict[str, float]:
        """zero_share: of rectified features that are exactly zero, in [0, 1]; active_groups: groups per
        image. Both are running means over the last 20 steps or so."""
        return {"zero_share": self.zeros.item(), "active_groups": self.active_groups.item()}
