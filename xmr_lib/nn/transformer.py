"""Attention and the pre-norm transformer block of the towers, bidirectional or causal.

A. Vaswani et al. "Attention Is All You Need". NeurIPS 2017; pre-norm form as in A. Radford et al., ICML 2021 (CLIP):

    x <- x + Attention(LN(x))          MLP: d -> ratio * d -> d
    x <- x + MLP(LN(x))
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from xmr_lib.errors import InvalidInput, check_choice


class QuickGELU(nn.Module):
    """``x * sigmoid(1.702 x)``: the activation of CLIP's released weights."""

    def forward(self, x: Tensor) -> Tensor:
        """Any shape."""
        return F.silu(1.702 * x) / 1.702  # one pass less than written out


ACTIVATIONS = {"gelu": nn.GELU, "quick_gelu": QuickGELU, "relu": nn.ReLU}


def activation(name: str) -> nn.Module:
    """A fresh activation layer: ``"gelu"``, ``"quick_gelu"`` or ``"relu"``.

    Raises:
        UnknownName: Another name.
    """
    return ACTIVATIONS[check_choice(name, ACTIVATIONS, "activation")]()


class Attention(nn.Module):
    """Multi-head attention: queries look at keys and take a weighted mean of the values.

    Args:
        width: d, of queries, keys and values.
        heads: h, must divide the width.

    Raises:
        InvalidInput: It does not.
    """

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        if width % heads:
            raise InvalidInput(f"The heads share the width, so {heads} must divide {width}. Choose another number.")
        self.heads = heads
        self.query, self.key = nn.Linear(width, width), nn.Linear(width, width)
        self.value, self.out = nn.Linear(width, width), nn.Linear(width, width)

    def forward(
        self,
        query: Tensor,
        key: Tensor | None = None,
        value: Tensor | None = None,
        mask: Tensor | None = None,
        causal: bool = False,
    ) -> Tensor:
        """Mix the values.

        Args:
            query: (b, q, d).
            key: (b, k, d). Default: the queries.
            value: (b, k, d). Default: the keys.
            mask: (b, k) bool, True where a key may be seen; each row needs one. Default: all.
            causal: Position i sees positions 0..i only.

        Returns:
            (b, q, d).
        """
        key = query if key is None else key
        return self.mix(query, *self.keys_values(key, value), mask, causal)

    def keys_values(self, key: Tensor, value: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """(b, h, k, d/h) twice, for :meth:`mix`: worth keeping where many queries look at the same keys."""
        return self._split(self.key(key)), self._split(self.value(key if value is None else value))

    def mix(
        self, query: Tensor, keys: Tensor, values: Tensor, mask: Tensor | None = None, causal: bool = False
    ) -> Tensor:
        """What :meth:`forward` does after ``keys, values = self.keys_values(key, value)``. (b, q, d)."""
        queries = self._split(self.query(query))  # (b, h, q, d/h)
        seen = None if mask is None else mask[:, None, None, :]  # (b, 1, 1, k)
        if causal and seen is not None:
            q, k = queries.shape[2], keys.shape[2]
            seen, causal = seen & torch.ones(q, k, dtype=torch.bool, device=query.device).tril(), False
        mixed = F.scaled_dot_product_attention(queries, keys, values, attn_mask=seen, is_causal=causal)
        # mixed: (b, h, q, d/h)
        return self.out(mixed.transpose(1, 2).flatten(2))

    def weights(self, query: Tensor, key: Tensor | None = None, mask: Tensor | None = None) -> Tensor:
        """(b, h, q, k) attention weights, each row sums to 1: what a picture of the attention shows."""
        queries, keys = self._split(self.query(query)), self._split(self.key(query if key is None else key))
        scores = queries @ keys.transpose(2, 3) / queries.shape[-1] ** 0.5  # (b, h, q, k)
        return (scores if mask is None else scores.masked_fill(~mask[:, None, None, :], -torch.inf)).softmax(-1)

    def _split(self, x: Tensor) -> Tensor:
        """(b, t, d) -> (b, h, t, d/h)."""
        return x.unflatten(2, (self.heads, -1)).transpose(1, 2)


class Block(nn.Module):
    """One pre-norm block. (b, t, d) -> (b, t, d).

    Args:
        width: d. heads: Of the attention. ratio: Hidden width of the MLP, in units of d.
        act: See :func:`activation`.
    """

    def __init__(self, width: int, heads: int, ratio: float = 4, act: str = "gelu") -> None:
        super().__init__()
        hidden = round(ratio * width)
        self.norm_1, self.norm_2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.attention = Attention(width, heads)
        self.mlp = nn.Sequential(nn.Linear(width, hidden), activation(act), nn.Linear(hidden, width))

    def forward(self, x: Tensor, mask: Tensor | None = None, causal: bool = False) -> Tensor:
        """``mask``, ``causal``: see :meth:`Attention.forward`."""
        x = x + self.attention(self.norm_1(x), mask=mask, causal=causal)
        return x + self.mlp(self.norm_2(x))

    def at(self, x: Tensor, position: Tensor, mask: Tensor | None = None) -> Tensor:
        """What :meth:`forward` gives at one position of each row, without computing the others.

        Every position is a key and a value still, but only one is a query and goes through the MLP. The last block of a
        tower that pools at one token costs so little that a tower of four blocks trains a quarter faster.

        Args:
            x: (b, t, d).
            position: (b,) int64.
            mask: (b, t) bool, what that position may see. Default: all.

        Returns:
            (b, d).
        """
        place, normed = position.view(-1, 1, 1), self.norm_1(x)
        one = x.take_along_dim(place, 1) + self.attention(normed.take_along_dim(place, 1), normed, mask=mask)
        return (one + self.mlp(self.norm_2(one))).squeeze(1)  # one: (b, 1, d)


def masked_mean(x: Tensor, mask: Tensor | None) -> Tensor:
    """Mean over the tokens that are there: (b, t, d), (b, t) bool -> (b, d); rows without any token give 0."""
    if mask is None:
        return x.mean(1)
    weight = mask.unsqueeze(2).to(x.dtype)  # (b, t, 1)
    return (x * weight).sum(1) / weight.sum(1).clamp(min=1)
