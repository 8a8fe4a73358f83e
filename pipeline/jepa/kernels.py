"""Chooses the faster of torch's kernels for attention and linear maps on a device.

Results agree up to rounding. batch: images; tokens: of one image.
"""

import torch
import torch.nn.functional as F
from jaxtyping import Float
from timm.layers.attention import Attention
from timm.layers.mlp import Mlp
from torch import Tensor, nn


class FusedLinear(nn.Linear):
    """Computes x A^T + b with the weights of `linear`, then GELU if `activates`.

    In float32 on a CPU torch runs linear maps in MKL and convolutions in oneDNN. On AMD oneDNN is twice as
    fast, so the map runs as a convolution of width 1. Without gradients oneDNN's own linear map adds the bias
    and applies GELU in the same call (docs/performance.md).
    """

    def __init__(self, linear: nn.Linear, activates: bool = False) -> None:
        nn.Module.__init__(self)
        self.in_features, self.out_features = linear.in_features, linear.out_features
        self.weight, self.bias = linear.weight, linear.bias
        self.activates = activates

    def forward(self, input: Float[Tensor, "*batch in_dim"]) -> Float[Tensor, "*batch out_dim"]:
        mixed = torch.is_autocast_enabled("cpu")
        dtype = torch.get_autocast_dtype("cpu") if mixed else input.dtype
        native = dtype == torch.float32
        native |= dtype == torch.bfloat16 and torch.ops.mkldnn._is_mkldnn_bf16_supported()
        if native and not (torch.is_grad_enabled() or torch.compiler.is_compiling()):
            bias = None if self.bias is None else self.bias.to(dtype)
            attached = ("gelu", [], "none") if self.activates else ("none", [], "")
            return torch.ops.mkldnn._linear_pointwise(input.to(dtype), self.weight.to(dtype), bias, *attached)
        if mixed or input.ndim != 3:
            output = super().forward(input)
        else:
            channels = input.transpose(1, 2).unsqueeze(2)  # a view: channels last is how tokens lie in memory
            output = F.conv2d(channels, self.weight[:, :, None, None], self.bias).squeeze(2).transpose(1, 2)
        return F.gelu(output) if self.activates else output


def fit_kernels(module: nn.Module, device: torch.device) -> None:
    """Choose attention and linear maps for `device`; names and values of the weights stay."""
    fit_attention(module, device)
    if device.type != "cpu" or not (
        torch.backends.mkldnn.is_available() and torch.backends.mkl.is_available()
    ):
        return
    for parent in list(module.modules()):
        gelu = isinstance(parent, Mlp) and type(parent.act) is nn.GELU and parent.act.approximate == "none"
        for name, child in list(parent.named_children()):
            if type(child) is nn.Linear:
                setattr(parent, name, FusedLinear(child, activates=gelu and name == "fc1"))
        if gelu:
            parent.act = nn.Identity()


def fit_attention(module: nn.Module, device: torch.device) -> None:
    """Choose the faster of timm's two attention kernels for `device`; both compute the same.

    On a CPU torch's fused kernel is the slower one for the short sequences of small images
    (benchmarks/results/cpu-step.md).
    """
    for part in module.modules():
        if isinstance(part, Attention):
            part.fused_attn = device.type != "cpu"  # pyright: ignore[reportAttributeAccessIssue]
