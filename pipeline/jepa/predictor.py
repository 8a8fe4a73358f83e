"""The predictor: from context embeddings to embeddings at hidden positions.

batch: images; context, targets x block: patches.
"""

import torch
from jaxtyping import Float, Int
from timm.layers.mlp import Mlp
from timm.models.vision_transformer import Block
from torch import Tensor, nn

from pipeline.jepa.positions import sincos_positions
from pipeline.params import PredictorParams


class Predictor(nn.Module):
    """A narrow Vision Transformer, an MLP or a linear map (`name`), for a ladder of capacity.

    transformer: mask tokens at the target positions attend to the projected context (I-JEPA, section 3).
    `joint` puts all target blocks of an image in one sequence. Otherwise each block gets a pass of its own
    with the same context, as in I-JEPA: blocks do not see each other's mask tokens, at `targets` times the
    cost.

    mlp, linear: a function of the mean of the context and of the target's position. Patches of one image are
    then told apart by their position alone.
    """

    positions: Float[Tensor, "patches width"]

    def __init__(self, predictor: PredictorParams, embed_dim: int, grid: int) -> None:
        super().__init__()
        width = predictor.embed_dim
        self.attends, self.joint = predictor.name == "transformer", predictor.joint
        self.input = nn.Linear(embed_dim, width)
        self.mask_token = nn.Parameter(torch.empty(1, 1, width))
        self.register_buffer("positions", sincos_positions(width, grid), persistent=False)
        self.blocks = nn.Sequential(*_layers(predictor))
        self.norm = nn.LayerNorm(width) if self.attends else nn.Identity()  # no norm is linear
        self.output = nn.Linear(width, embed_dim)
        nn.init.trunc_normal_(self.mask_token, std=0.02)
        for module in self.modules():
            if isinstance(module, nn.Linear):
                nn.init.xavier_uniform_(module.weight)
                nn.init.zeros_(module.bias)

    def no_weight_decay(self) -> set[str]:
        """The mask token is a vector, though it is stored with three axes."""
        return {"mask_token"}

    def forward(
        self,
        context: Float[Tensor, "batch context embed_dim"],
        context_positions: Int[Tensor, "batch context"],
        target_positions: Int[Tensor, "batch targets block"],
    ) -> Float[Tensor, "batch targets block embed_dim"]:
        batch, targets, block = target_positions.shape
        visible = self.input(context) + self.positions[context_positions]
        queries = self.mask_token + self.positions[target_positions]
        if not self.attends:
            return self.output(self.norm(self.blocks(visible.mean(1)[:, None, None] + queries)))
        if self.joint:
            queries = queries.flatten(1, 2)
        else:
            visible = visible.repeat_interleave(targets, dim=0)
            queries = queries.flatten(0, 1)
        tokens = self.blocks(torch.cat([visible, queries.to(visible.dtype)], dim=1))
        predictions = self.output(self.norm(tokens[:, visible.shape[1] :]))
        return predictions.reshape(batch, targets, block, -1)


def _layers(predictor: PredictorParams) -> list[nn.Module]:
    """What lies between the projections to and from the predictor's width."""
    width = predictor.embed_dim
    if predictor.name == "transformer":
        return [Block(width, predictor.num_heads, mlp_ratio=4, qkv_bias=True) for _ in range(predictor.depth)]
    return [Mlp(width, 4 * width)] if predictor.name == "mlp" else []
