"""Attention against torch's own, what masks hide, and one block by hand."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from xmr_lib.errors import InvalidInput, UnknownName
from xmr_lib.nn.transformer import Attention, Block, QuickGELU, activation, masked_mean


def normal(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def torch_attention(own: Attention, width: int, heads: int) -> nn.MultiheadAttention:
    reference = nn.MultiheadAttention(width, heads, batch_first=True).eval()
    layers = (own.query, own.key, own.value)
    with torch.no_grad():
        reference.in_proj_weight.copy_(torch.cat([layer.weight for layer in layers]))
        reference.in_proj_bias.copy_(torch.cat([layer.bias for layer in layers]))
    reference.out_proj.load_state_dict(own.out.state_dict())
    return reference


def test_attention_is_that_of_torch() -> None:
    own = Attention(12, 3)
    reference = torch_attention(own, 12, 3)
    q, k, v = normal(2, 5, 12), normal(2, 7, 12, seed=1), normal(2, 7, 12, seed=2)
    mask = torch.arange(7) < torch.tensor([[4], [7]])
    expected, weights = reference(q, k, v, key_padding_mask=~mask, average_attn_weights=False)
    torch.testing.assert_close(own(q, k, v, mask), expected)
    torch.testing.assert_close(own.weights(q, k, mask), weights)
    torch.testing.assert_close(own(q), reference(q, q, q)[0])  # keys and values default to the queries


def test_the_future_is_hidden() -> None:
    own, x = Attention(8, 2), normal(1, 6, 8)
    reference = torch_attention(own, 8, 2)
    causal = nn.Transformer.generate_square_subsequent_mask(6)
    torch.testing.assert_close(own(x, causal=True), reference(x, x, x, attn_mask=causal)[0])
    changed = x.clone()
    changed[:, 4:] += 3
    assert torch.equal(own(x, causal=True)[:, :4], own(changed, causal=True)[:, :4])
    mask = torch.arange(6)[None, :] > 0  # with a mask as well: neither token 0 nor the future
    both = own(x, mask=mask, causal=True)[:, 1:4]
    changed[:, 0] -= 5
    torch.testing.assert_close(both - own(changed, mask=mask, causal=True)[:, 1:4], torch.zeros_like(both))


def test_a_block_by_its_formula() -> None:
    block, x = Block(8, 2, ratio=1.5, act="quick_gelu"), normal(2, 3, 8)
    assert block.mlp[0].out_features == 12
    h = x + block.attention(block.norm_1(x))
    inner = block.mlp[0](block.norm_2(h))
    torch.testing.assert_close(block(x), h + block.mlp[2](inner * torch.sigmoid(1.702 * inner)))


def test_activations_and_errors() -> None:
    torch.testing.assert_close(QuickGELU()(torch.tensor(2.0)), torch.tensor(2 / (1 + torch.e**-3.404)))
    assert isinstance(activation("gelu"), nn.GELU)
    with pytest.raises(UnknownName, match="no activation named 'swish'"):
        activation("swish")
    with pytest.raises(InvalidInput, match="5 must divide 12"):
        Attention(12, 5)


def test_masked_mean() -> None:
    x = torch.tensor([[[1.0], [3.0], [100.0]], [[7.0], [8.0], [9.0]]])
    mask = torch.tensor([[True, True, False], [False, False, False]])
    torch.testing.assert_close(masked_mean(x, mask), torch.tensor([[2.0], [0.0]]))
    torch.testing.assert_close(masked_mean(x, None)[1], torch.tensor([8.0]))
