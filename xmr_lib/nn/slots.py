"""Slot attention: K slots compete for the patches of a picture, or the words of a sentence.

F. Locatello et al. "Object-Centric Learning with Slot Attention". NeurIPS 2020; in the pre-norm form with several heads
of D. Kim et al., CVPR 2023. In ordinary attention every query shares out a weight of 1 over the tokens, and all
queries may look at the same ones. Here every token shares out a weight of 1 over the slots: what one slot takes, the
others lack.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from xmr_lib.errors import InvalidInput, check_positive

EPS = 1e-7


def slot_shares(scores: Tensor, mask: Tensor | None = None) -> Tensor:
    """How every token divides itself among the slots: softmax over the slots, so a column sums to 1.

    The column of a token that is not there is set to 0 after the softmax. (A large negative score before it would give
    1 / K to every slot, since a softmax sees differences only; -inf would give NaN.)

    Args:
        scores: (..., K, t), slots against tokens. mask: Broadcasts to (..., 1, t), bool, True: a token.

    >>> slot_shares(torch.zeros(2, 3), torch.tensor([True, True, False]))
    tensor([[0.5000, 0.5000, 0.0000],
            [0.5000, 0.5000, 0.0000]])
    """
    shares = scores.softmax(-2)
    return shares if mask is None else shares * mask


def slot_weights(shares: Tensor) -> Tensor:
    """What every slot reads: its shares as weights of a mean, ``A_ij / (sum_j A_ij + 1e-7)``, so a row sums to 1.

    >>> slot_weights(torch.tensor([[0.75, 0.25, 0.0], [0.25, 0.75, 0.0]]))
    tensor([[0.7500, 0.2500, 0.0000],
            [0.2500, 0.7500, 0.0000]])
    """
    return shares / (shares.sum(-1, keepdim=True) + EPS)


def sine_places(length: int, width: int) -> Tensor:
    """Vectors that tell places apart: (length, width), sines of the place and then cosines, from fast to slow.

    Place p has sin(p / r_i) and cos(p / r_i) with r_i from 1 to 10,000 (A. Vaswani et al., NeurIPS 2017); an odd last
    dimension stays 0.

    >>> sine_places(2, 4)
    tensor([[0.0000, 0.0000, 1.0000, 1.0000],
            [0.8415, 0.0100, 0.5403, 0.9999]])
    """
    half = width // 2
    angles = torch.arange(length)[:, None] * 10_000.0 ** -(torch.arange(half) / half)  # (length, half)
    return F.pad(torch.cat([angles.sin(), angles.cos()], 1), (0, width % 2))


class SlotsSeen(NamedTuple):
    """Slots and where they looked in the last iteration.

    Attributes:
        slots: (b, K, d).
        shares: (b, K, t) mean over the heads of :func:`slot_shares`: whose token is this? Columns sum to 1.
        weights: (b, K, t) mean over the heads of :func:`slot_weights`: what does this slot read? Rows sum to 1.
    """

    slots: Tensor
    shares: Tensor
    weights: Tensor


class SlotAttention(nn.Module):
    """K learnt slots that look at the tokens a few times, each time with the same weights.

        q = Wq LN(slot), k = Wk LN(x), v = Wv LN(x)
        slot <- slot + Wo A v,   A = slot_weights(slot_shares(q k' / sqrt(d_head)))
        slot <- slot + MLP(LN(slot))

    and a layer norm at the end.

    Args:
        width: w, of the tokens. dim: d, of the slots.
        slots: K. iterations: How often they look.
        heads: The competition runs in each head on its own. head_width: d_head. ratio: Hidden width of the MLP in
            units of d.
        places: Tell the slots the place of every token in its row, see :func:`sine_places`.

    Raises:
        InvalidInput: One of the numbers is not at least 1.
    """

    def __init__(
        self,
        width: int,
        dim: int,
        slots: int = 4,
        iterations: int = 4,
        heads: int = 4,
        head_width: int = 512,
        ratio: float = 4,
        places: bool = False,
    ) -> None:
        super().__init__()
        check_positive(slots, "n_slots")
        self.iterations, self.heads = check_positive(iterations, "iterations"), check_positive(heads, "heads")
        inner, hidden = heads * check_positive(head_width, "head_width"), round(ratio * dim)
        self.places = places
        self.start = nn.Parameter(torch.randn(slots, dim))
        # The same shift of all queries changes nothing in a softmax over the slots, so the queries have no bias.
        self.norm_tokens, self.norm_slots = nn.LayerNorm(width), nn.LayerNorm(dim, bias=False)
        self.query, self.key = nn.Linear(dim, inner, bias=False), nn.Linear(width, inner, bias=False)
        self.value, self.out = nn.Linear(width, inner, bias=False), nn.Linear(inner, dim)
        self.mlp = nn.Sequential(nn.LayerNorm(dim), nn.Linear(dim, hidden), nn.GELU(), nn.Linear(hidden, dim))
        self.norm = nn.LayerNorm(dim)

    def forward(self, tokens: Tensor, mask: Tensor | None = None) -> Tensor:
        """(b, t, w), (b, t) bool, True: a token -> slots (b, K, d)."""
        return self.look(tokens, mask).slots

    def look(self, tokens: Tensor, mask: Tensor | None = None) -> SlotsSeen:
        """The slots and their attention maps.

        Raises:
            InvalidInput: Tokens of another width.
        """
        if tokens.ndim != 3 or tokens.shape[2] != self.norm_tokens.normalized_shape[0]:
            expected = f"(b, t, {self.norm_tokens.normalized_shape[0]})"
            raise InvalidInput(f"These slots look at tokens {expected}, not {tuple(tokens.shape)}.")
        tokens = self.norm_tokens(tokens)
        if self.places:
            tokens = tokens + sine_places(*tokens.shape[1:]).to(tokens)  # (b, t, w)
        keys, values = self._split(self.key(tokens)), self._split(self.value(tokens))  # (b, h, t, d_head)
        seen = None if mask is None else mask[:, None, None, :]  # (b, 1, 1, t)
        slots = self.start.expand(len(tokens), -1, -1)  # (b, K, d)
        for _ in range(self.iterations):
            queries = self._split(self.query(self.norm_slots(slots)))  # (b, h, K, d_head)
            scores = queries @ keys.transpose(2, 3) / keys.shape[-1] ** 0.5  # (b, h, K, t)
            shares = slot_shares(scores, seen)
            weights = slot_weights(shares)
            read = (weights @ values).transpose(1, 2).flatten(2)  # (b, K, h * d_head)
            slots = slots + self.out(read)
            slots = slots + self.mlp(slots)
        return SlotsSeen(self.norm(slots), shares.mean(1), weights.mean(1))

    def _split(self, x: Tensor) -> Tensor:
        """(b, t, h * d_head) -> (b, h, t, d_head)."""
        return x.unflatten(2, (self.heads, -1)).transpose(1, 2)
