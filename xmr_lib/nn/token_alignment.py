"""TEAM's token alignment: the words of a text look at the patches of a picture and say how well it shows them.

C.-W. Xie et al. "Token Embeddings Alignment for Cross-Modal Retrieval". ACM MM 2022; formulas as in the released code.

T are the t words of a text, V the v patches of an image, R (t, w) what the words have retrieved from the image so far.
R starts at 0, and each of the L blocks adds to it:

    R <- R + Attention(query = key = T + LN(R), value = LN(R))        what the other words have found
    R <- R + Attention(query = T + LN(R), key = value = V)            a look at the image
    R <- R + MLP(LN(R))                                               w -> 2 w -> w

A word scores high where it has found itself. With projections P_r, P_t that all blocks share, block l says

    s_l = mean over the real words i of cos(P_r R_l[i], P_t T[i])

R depends on the words only through the queries of the attention, which mixes values of V: a word that the image does
not show has nothing to copy from.

With the usual random weights the scores stay near chance for hundreds of steps. These blocks begin as a look-up: the
attention to the image is the identity, so that a word copies the patches that resemble it, and P_r = P_t. That helps
where words and patches come from one space, such as the common space of a trained CLIP.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from xmr_lib.nn.towers import start_small
from xmr_lib.nn.transformer import Attention, Block, masked_mean

PAIRS_AT_ONCE = 128


class AlignmentBlock(nn.Module):
    """One step of retrieval: the words talk, look at the image, and think.

    Args:
        width: w, of the words, the patches and what is retrieved. heads: Of both attentions.
        ratio: Hidden width of the MLP, in units of w. dropout: On each of the three updates.
    """

    def __init__(self, width: int, heads: int, ratio: float = 2, dropout: float = 0.1) -> None:
        super().__init__()
        hidden = round(ratio * width)
        self.norm_1, self.norm_2, self.norm_3 = (nn.LayerNorm(width) for _ in range(3))
        self.among_words, self.to_image = Attention(width, heads), Attention(width, heads)
        self.mlp = nn.Sequential(nn.Linear(width, hidden), nn.GELU(), nn.Linear(hidden, width))
        self.dropout = nn.Dropout(dropout)
        self._look_up_first()

    @torch.no_grad()
    def _look_up_first(self) -> None:
        """First weights: each word copies the patches that resemble it, and the other two updates are small."""
        for layer in (self.to_image.query, self.to_image.key, self.to_image.value, self.to_image.out):
            nn.init.eye_(layer.weight)
            nn.init.zeros_(layer.bias)
        last: Any = self.mlp[2]
        for layer in (self.among_words.out, last):
            layer.weight.mul_(0.1)
            nn.init.zeros_(layer.bias)

    def forward(self, found: Tensor | None, words: Tensor, mask: Tensor, keys: Tensor, values: Tensor) -> Tensor:
        """R after this block.

        Args:
            found: (p, t, w) R before it; None: 0. words: (p, t, w) T. mask: (p, t) bool, True where a word is real.
            keys, values: (p, h, v, w/h) ``self.to_image.keys_values(V)``.

        Returns:
            (p, t, w); rows of padding hold numbers without meaning.
        """
        found = self.talk(found, words, mask)
        found = found + self.dropout(self.to_image.mix(words + self.norm_2(found), keys, values))
        return found + self.dropout(self.mlp(self.norm_3(found)))

    def talk(self, found: Tensor | None, words: Tensor, mask: Tensor) -> Tensor:
        """R after the first of the three updates: the words tell each other what they have found. (p, t, w).

        While R is 0 all values are alike, LN(0), and any weighted mean of them is that value: nothing to compute.
        """
        if found is None:
            same: Tensor = self.among_words.out(self.among_words.value(self.norm_1.bias))  # (w,)
            return self.dropout(same.expand_as(words))
        normed = self.norm_1(found)  # (p, t, w)
        return found + self.dropout(self.among_words(words + normed, words + normed, normed, mask))


class WordReader(nn.Module):
    """T from the tokens of a text tower: a linear map, and, for a tower that knows no order, some reading.

    Args:
        tokens: u, width of the tower's tokens. width: w.
        layers: Transformer blocks over the words and their places. 0: the tower has read the text, as BERT has.
        length: Longest text in tokens. heads: Of the blocks.
    """

    def __init__(self, tokens: int, width: int, layers: int = 0, length: int = 0, heads: int = 1) -> None:
        super().__init__()
        self.projection = nn.Linear(tokens, width)
        self.places = nn.Parameter(0.1 * torch.randn(length, width)) if layers else None
        self.blocks = nn.ModuleList(Block(width, heads, 2) for _ in range(layers))
        start_small(self.blocks, width)

    def forward(self, tokens: Tensor, mask: Tensor) -> Tensor:
        """(m, t, u), (m, t) bool -> (m, t, w)."""
        words: Tensor = self.projection(tokens)
        if self.places is not None:
            words = words + self.places[: words.shape[1]]
        for block in self.blocks:
            words = block(words, mask)
        return words


class TokenAlignment(nn.Module):
    """L blocks, and the score of each.

    Args:
        width: w. heads, ratio, dropout: See :class:`AlignmentBlock`.
        layers: L. dim: Of the space in which what was found is compared with the words.
    """

    def __init__(self, width: int, heads: int, layers: int, dim: int, ratio: float = 2, dropout: float = 0.1) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(AlignmentBlock(width, heads, ratio, dropout) for _ in range(layers))
        self.project_found = nn.Linear(width, dim, bias=False)
        self.project_words = nn.Linear(width, dim, bias=False)
        nn.init.orthogonal_(self.project_words.weight)
        self.project_found.load_state_dict(
            self.project_words.state_dict()
        )  # at first a word is found where it was copied

    def forward(
        self, words: Tensor, mask: Tensor, patches: Tensor, text: Tensor | None = None, image: Tensor | None = None
    ) -> Tensor:
        """Scores (p, L) of p pairs of a text and an image, -1..1, one column per block.

        Keys and values of an image are made once, however many texts look at it, and texts of about the same length go
        through the blocks together, so that little work is spent on padding.

        Args:
            words: (m, t, w). mask: (m, t) bool, a text's words first, then its padding; each text needs a word.
            patches: (n, v, w).
            text, image: (p,) int64, rows of ``words`` and ``patches`` that make the pairs. Default: row by row.
        """
        text = torch.arange(len(words), device=words.device) if text is None else text
        image = torch.arange(len(patches), device=words.device) if image is None else image
        views = [block.to_image.keys_values(patches) for block in self._blocks()]  # L times two of (n, h, v, w/h)
        counts = mask.sum(1)[text]  # (p,)
        order, scores = counts.argsort(stable=True), []
        for part in order.split(PAIRS_AT_ONCE):
            some, other, length = text[part], image[part], int(counts[part[-1]])
            seen = [(keys.index_select(0, other), values.index_select(0, other)) for keys, values in views]
            real = mask[some, :length]
            asking = words[:, :length].index_select(0, some)  # (part, length, w)
            target = self.project_words(asking)  # (part, length, dim)
            found = self.steps(asking, real, seen)
            scores.append(torch.stack([alignment_score(self.project_found(f), target, real) for f in found], 1))
        return torch.cat(scores)[order.argsort()]

    def steps(self, words: Tensor, mask: Tensor, views: Sequence[tuple[Tensor, Tensor]]) -> Iterator[Tensor]:
        """R (p, t, w) after each block, with the keys and values of each block."""
        found = None
        for block, (keys, values) in zip(self._blocks(), views, strict=True):
            found = block(found, words, mask, keys, values)
            yield found

    def looks(self, words: Tensor, mask: Tensor, patches: Tensor) -> tuple[Tensor, Tensor]:
        """For pictures: (p, L, t, v) where the words look in each block, mean over the heads, rows sum to 1; and
        (p, L, t) each word's own cosine. Arguments: row by row, as of :meth:`forward`."""
        target, found = self.project_words(words), None
        looks, cosines = [], []
        for block in self._blocks():
            asked = words + block.norm_2(block.talk(found, words, mask))
            looks.append(block.to_image.weights(asked, patches).mean(1))
            found = block(found, words, mask, *block.to_image.keys_values(patches))
            cosines.append(F.cosine_similarity(self.project_found(found), target, dim=-1))
        return torch.stack(looks, 1), torch.stack(cosines, 1)

    def _blocks(self) -> list[AlignmentBlock]:
        return list(self.blocks)  # type: ignore[arg-type]


def alignment_score(found: Tensor, words: Tensor, mask: Tensor) -> Tensor:
    """Mean over the real words of cos(found[i], words[i]), the s_l above.

    Args:
        found, words: (p, t, d), projected. mask: (p, t) bool.

    Returns:
        (p,), -1..1; 0 for a text without words.

    Example: the first word found itself, the second something at a right angle, the third is padding.
        >>> words = torch.tensor([[[1.0, 0.0], [0.0, 2.0], [1.0, 0.0]]])
        >>> found = torch.tensor([[[3.0, 0.0], [1.0, 0.0], [1.0, 0.0]]])
        >>> alignment_score(found, words, torch.tensor([[True, True, False]]))
        tensor([0.5000])
    """
    cosine = F.cosine_similarity(found, words, dim=-1)  # (p, t)
    return masked_mean(cosine[:, :, None], mask)[:, 0]
