"""Claims about pictures of tokens: attention is the layer's own, colours are principal components."""

import numpy as np
import pytest
import torch
from conftest import default_tree
from timm.models.vision_transformer import VisionTransformer
from torch import Tensor

from pipeline.interpret.token_pictures import attention_weights, colours, received_attention
from pipeline.jepa.encoder import build_encoder
from pipeline.params import Params

MODEL = Params.model_validate(default_tree()).model


@pytest.fixture(scope="module")
def encoder() -> VisionTransformer:
    return build_encoder(MODEL, 32, seed=0).eval()


@pytest.fixture(scope="module")
def images() -> Tensor:
    return torch.randn(3, 3, 32, 32, generator=torch.Generator().manual_seed(0))


def test_the_weights_are_those_by_which_the_layer_mixes_its_values(encoder: VisionTransformer):
    attention = encoder.blocks[-1].attn
    tokens = torch.randn(2, 16, encoder.embed_dim, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        weights = attention_weights(attention, tokens)
        values = attention.qkv(tokens)[..., 2 * encoder.embed_dim :].unflatten(2, (attention.num_heads, -1))
        mixed = torch.einsum("bhij,bjhd->bihd", weights, values).flatten(2)
        assert torch.allclose(attention.proj(mixed), attention(tokens), atol=1e-5)
    assert torch.allclose(weights.sum(-1), torch.ones(2, attention.num_heads, 16))


def test_attention_is_1_on_average_and_everywhere_where_no_patch_is_preferred(
    encoder: VisionTransformer, images: Tensor
):
    with torch.no_grad():
        received = received_attention(encoder, images)
        assert torch.allclose(received.mean(1), torch.ones(3), atol=1e-5) and received.std() > 1e-4
        level = build_encoder(MODEL, 32, seed=0).eval()
        level.blocks[-1].attn.qkv.weight.zero_()
        assert torch.allclose(received_attention(level, images), torch.ones(3, 16), atol=1e-6)


def test_tokens_of_two_kinds_have_two_colours():
    kinds = np.random.default_rng(0).integers(0, 2, (4, 9))
    tokens = np.stack([kinds, 2.0 * kinds, np.zeros_like(kinds)], axis=2).astype(np.float32)
    shown = colours(tokens)
    assert shown.shape == (4, 9, 3) and shown.min() >= 0 and shown.max() <= 1
    first = shown[..., 0]
    assert len(np.unique(first)) == 2 and len(np.unique(first[kinds == 1])) == 1


def test_equal_tokens_have_one_colour():
    assert np.ptp(colours(np.ones((2, 4, 5), dtype=np.float32))) == 0
