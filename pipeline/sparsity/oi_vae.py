"""The oi-VAE module on embeddings: latents that generate groups of features through group-sparse maps.

    q(z | h) = N(mu(h), diag sigma^2(h)),  t_hat^(g) = f_g(W^(g) z) + c^(g),  f_g(u) = A_g u or A_g gelu(u)
    weight * (|t - t_hat|^2 / 2 + beta KL(q || N(0, I))) / dim, mean over tokens; lambda sum_gj |W^(g)_j|

Source: Ainsworth, Foti, Lee & Fox 2018 (oi-VAE, arXiv 1802.06765), with the embedding h in place of an
encoder of its own and the layer-normalised target features t, standardised over the batch, in place of data.

batch: images; sites: tokens; dim features in groups of size; p: width of a generator; latents.
"""

from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn

from pipeline.params import SparsityParams
from pipeline.sparsity.batch import SparsityBatch, Strengths
from pipeline.sparsity.groups import split_groups
from pipeline.sparsity.lambda_max import follow, smallest_dead_strength
from pipeline.sparsity.method import RUNNING, SparsityMethod, update_running_mean
from pipeline.sparsity.proximal import column_norms, shrink_columns

LOG_VARIANCE = (-8.0, 4.0)
FIRST_LOG_VARIANCE = -2.0
GELU_SLOPE = 0.5  # of gelu at 0
LIVE_SHARE = 0.01  # of an equal share of the targets' variance, dim / latents


class OiVae(SparsityMethod):
    """sparsity.method: oi_vae. lambda is a fraction of lambda_max, the smallest strength at which all of W is
    zero whatever the latents are (pipeline.sparsity.lambda_max). At every size 1 is dead and 0 is dense.

    W descends the mean error of each group, |t_g - t_hat_g|^2 / (2 size). At W = 0 its gradient for column j
    is -f'(0) A_g^T E[(t_g - c_g) z_j] / size, and lambda_max is the largest norm of these over g and all z_j
    that there could be. At the optimum the gradient of an active column has norm lambda * lambda_max, and a
    column is zero exactly where that norm stays below.

    Targets have unit variance. So has mu, except where the module makes the prediction (sparsity.site:
    predictor): there it is raw, and the KL divergence decides its scale. Every column of A_g has rms
    1 / sqrt(p), a prior of fixed scale on f_g: else A grows while W shrinks and the penalty means nothing.

    The group lasso weighs a group's penalty by sqrt(size). Here all groups have one size and all columns of W
    one length, so that a weight would multiply the threshold and lambda_max alike.
    """

    kl: Float[Tensor, " latents"]
    second_moment: Float[Tensor, " latents"]
    lambda_max: Float[Tensor, ""]

    def __init__(self, sparsity: SparsityParams, dim: int) -> None:
        super().__init__(sparsity, dim)
        latents, width, size = sparsity.latent_dim, sparsity.generator_width, dim // sparsity.groups
        self.gelu = sparsity.generator == "gelu"
        self.slope = GELU_SLOPE if self.gelu else 1.0  # of a generator's nonlinearity at 0
        self.fixed_scale = sparsity.generator_scale == "fixed"
        self.free_bits = sparsity.free_bits
        self.heads = nn.Linear(dim, 2 * latents)
        self.raw = sparsity.site == "predictor"
        if self.raw:
            self.register_buffer("second_moment", torch.ones(latents))
        else:
            self.whiten = nn.BatchNorm1d(latents, eps=1e-3, momentum=0.02, affine=False)
        self.W = nn.Parameter(F.normalize(torch.randn(sparsity.groups, width, latents), dim=1))
        self.A = nn.Parameter(torch.randn(sparsity.groups, size, width) / width**0.5)
        self.c = nn.Parameter(torch.zeros(sparsity.groups, size))
        self.register_buffer("kl", torch.zeros(latents))
        self.register_buffer("lambda_max", torch.zeros(()))
        nn.init.xavier_uniform_(self.heads.weight)
        nn.init.zeros_(self.heads.bias)
        with torch.no_grad():
            self.W.mul_((width / latents) ** 0.5)  # standardised latents then give unit variance
            self.heads.weight[latents:] *= 0.1
            self.heads.bias[latents:] = FIRST_LOG_VARIANCE

    def draw(
        self, batch: int, sites: int, generator: torch.Generator
    ) -> tuple[Float[Tensor, "batch sites latents"], None]:
        shape = (batch, sites, self.W.shape[2])
        return torch.randn(shape, generator=generator, device=generator.device), None

    def posterior(
        self, tokens: Float[Tensor, "*batch dim"]
    ) -> tuple[Float[Tensor, "*batch latents"], Float[Tensor, "*batch latents"]]:
        """mu and log sigma^2 of q(z | h)."""
        mean, log_variance = self.heads(tokens).chunk(2, -1)
        if not self.raw:
            mean = self.whiten(mean.reshape(-1, mean.shape[-1])).view_as(mean)
        return mean, log_variance.clamp(*LOG_VARIANCE)

    def generator_inputs(self, latents: Float[Tensor, "*batch latents"]) -> Float[Tensor, "*batch groups p"]:
        """W^(g) z of every group."""
        return (latents @ self.W.flatten(0, 1).T).unflatten(-1, self.W.shape[:2])

    def generate(self, inputs: Float[Tensor, "*batch groups p"]) -> Float[Tensor, "*batch groups size"]:
        """f_g(inputs) + c of all groups at once."""
        if self.gelu:
            inputs = F.gelu(inputs)
        return torch.einsum("gsp,...gp->...gs", self.generators(), inputs) + self.c

    def generators(self) -> Float[Tensor, "groups size p"]:
        """A, every column with rms 1 / sqrt(p) unless sparsity.generator_scale is free."""
        if not self.fixed_scale:
            return self.A
        size, width = self.A.shape[1:]
        return F.normalize(self.A, dim=1) * (size / width) ** 0.5

    def forward(self, batch: SparsityBatch) -> dict[str, Tensor]:
        """The terms `reconstruction` and `kl`, in nats per feature at weight = beta = 1."""
        assert batch.noise is not None
        mean, log_variance = self.posterior(batch.tokens)
        latents = mean + batch.noise * (log_variance / 2).exp()
        inputs = self.generator_inputs(latents)
        targets = split_groups(batch.targets, self.order, self.groups)
        error = self.generate(inputs) - targets
        divergence = gaussian_kl(mean, log_variance).mean((0, 1))
        self.update_statistics(inputs.detach().square().mean(-1), batch.targets)
        strongest = smallest_dead_strength(targets - self.c, latents, self.slope * self.generators())
        follow(self.lambda_max, strongest)
        update_running_mean(self.kl, divergence.detach(), RUNNING)
        if self.raw:
            follow(self.second_moment, latents.detach().square().mean((0, 1)))
        kl = divergence.clamp(min=self.free_bits).sum() / batch.targets.shape[-1]
        strengths = batch.strengths
        return {
            "reconstruction": strengths.weight * error.square().mean() / 2,
            "kl": strengths.weight * strengths.beta * kl,
        }

    def no_weight_decay(self) -> set[str]:
        """c is a bias, though it is stored as a matrix."""
        return {"c"}

    def own_optimizer(self) -> set[str]:
        """W descends in `proximal_step`."""
        return {"W"}

    @torch.no_grad()
    def proximal_step(self, learning_rate: float, strengths: Strengths) -> None:
        """W <- prox(W - eta grad), eta = learning_rate * p / latents, threshold eta * lambda * lambda_max.

        Plain gradient steps, so the operator's metric is the Euclidean one, in which its closed form is exact
        (under Adam it would need Adam's metric: columns are then never zero at a moderate lambda). The
        gradient is that of each group's own mean error: autograd's, times groups / weight. latents / p bounds
        its Lipschitz constant while mu has unit variance and sigma <= 1, so that learning_rate <= 1 descends
        at every size. Where mu is raw, the sum of the second moments of z stands in the place of `latents`.
        """
        assert self.W.grad is not None
        step = learning_rate * self.W.shape[1] / self.W.shape[2]
        threshold = step * strengths.lambda_ * self.lambda_max
        if self.raw:
            of_unit_variance = 1 / self.second_moment.mean()
            self.W.grad.mul_(of_unit_variance)
            threshold = threshold * of_unit_variance
        self.W.sub_(self.W.grad, alpha=step * self.groups / strengths.weight)
        self.W.copy_(shrink_columns(self.W, threshold))
        self.W.grad = None

    def latents(self, tokens: Float[Tensor, "*batch dim"]) -> Float[Tensor, "*batch latents"]:
        """The posterior means."""
        return self.posterior(tokens)[0]

    def energies(self, tokens: Float[Tensor, "*batch dim"]) -> Float[Tensor, "*batch groups"]:
        """|W^(g) mu|^2 / p."""
        return self.generator_inputs(self.latents(tokens)).square().mean(-1)

    def interaction(self) -> Float[Tensor, "groups latents"]:
        return column_norms(self.W.detach())

    @torch.no_grad()
    def added_variance(self) -> Float[Tensor, " latents"]:
        """Variance that each latent adds to the generated features, sum_g |f'(0) A_g W^(g)_j|^2 E[z_j^2].

        E[z_j^2] counts as 1 where mu has unit variance. The targets have dim in all. For the gelu generator
        it is that of small inputs.
        """
        added = (self.slope * self.generators() @ self.W).square().sum((0, 1))
        return added * self.second_moment if self.raw else added

    def describe(self) -> dict[str, float]:
        """The state of W and of the posterior, as numbers of a row of the history.

        zero_share: share of the columns of W that are exactly zero, in [0, 1].
        zero_share_live: the same among the columns of live latents; 1 where no latent lives.
        live_latents: latents that add more than a hundredth of an equal share of the targets' variance,
        dim / latents, to the generated features.
        lambda_max: the strength that sparsity.lambda is a fraction of.
        active_groups: groups per image, a running mean over the last 20 steps or so.
        dead_groups: groups without a nonzero column.
        kl: KL divergence of all latents together, nats per token, a running mean like active_groups.
        """
        used = self.interaction() > 0
        live = self.added_variance() > LIVE_SHARE * len(self.order) / self.W.shape[2]
        return {
            "zero_share": 1 - used.float().mean().item(),
            "zero_share_live": 1 - used[:, live].float().mean().item() if bool(live.any()) else 1.0,
            "live_latents": int(live.sum()),
            "active_groups": self.active_groups.item(),
            "dead_groups": int((~used.any(1)).sum()),
            "lambda_max": self.lambda_max.item(),
            "kl": self.kl.sum().item(),
        }

    def describe_latents(self) -> dict[str, Any]:
        """latents: how many. kl_per_latent: KL divergence of each, nats per token, a running mean."""
        return {"latents": self.W.shape[2], "kl_per_latent": self.kl.tolist()}

    @torch.no_grad()
    def regroup(self, order: Int[Tensor, " dim"]) -> None:
        """The generators' rows move with their features; W stays with its group."""
        place = torch.empty_like(self.order)
        place[self.order] = torch.arange(len(order), device=order.device)
        for weight in (self.A, self.c):
            weight.copy_(weight.flatten(0, 1)[place[order]].view_as(weight))
        super().regroup(order)


def gaussian_kl(
    mean: Float[Tensor, "*shape"], log_variance: Float[Tensor, "*shape"]
) -> Float[Tensor, "*shape"]:
    """KL(N(mean, exp(log_variance)) || N(0, 1)) in nats, elementwise."""
    return (mean.square() + log_variance.exp() - 1 - log_variance) / 2
