"""Which of torch's kernels suits a device: attention and linear maps that compute the same, faster.

batch: images; tokens: of one image.
"""

import torch
import torch.nn.functional as F
from jaxtyping import Float
from timm.layers.attention import Attention
from torch import Tensor, nn


class PointwiseLinear(nn.Linear):
    """A linear map of tokens, x A^T + b, as a convolution of width 1, with the weights of `linear`.

    In float32 on a CPU torch sends linear maps to MKL and convolutions to oneDNN, and on AMD's processors
    oneDNN is the faster one by two (docs/performance.md). Under autocast both are oneDNN's already.
    """

    def __init__(self, linear: nn.Linear) -> None:
        nn.Module.__init__(self)
        self.in_features, self.out_features = linear.in_features, linear.out_features
        self.weight, self.bias = linear.weight, linear.bias

    def forward(self, input: Float[Tensor, "*batch in_dim"]) -> Float[Tensor, "*batch out_dim"]:
        if input.ndim != 3 or torch.is_autocast_enabled("cpu"):
            return super().forward(input)
        channels = input.transpose(1, 2).unsqueeze(2)  # a view: channels last is how tokens lie in memory
        return F.conv2d(channels, self.weight[:, :, None, None], self.bias).squeeze(2).transpose(1, 2)


def fit_kernels(module: nn.Module, device: torch.device) -> None:
    """Choose attention and linear maps for `device`; names and values of the weights stay."""
    fit_attention(module, device)
    if device.type == "cpu" and torch.backends.mkldnn.is_available() and torch.backends.mkl.is_available():
        for parent in module.modules():
            for name, child in list(parent.named_children()):
                if type(child) is nn.Linear:
                    setattr(parent, name, PointwiseLinear(child))


def fit_attention(module: nn.Module, device: torch.device) -> None:
    """Choose the faster of timm's two attention kernels for `device`; both compute the same.

    On a CPU torch's fused kernel is the slower one for the short sequences of small images
    (benchmarks/results/cpu-step.md).
    """
    for part in module.modules():
        if isinstance(part, Attention):
            part.fused_attn = device.type != "cpu"  # pyright: ignore[reportAttributeAccessIssue]
