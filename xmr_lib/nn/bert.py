"""BERT: bidirectional post-norm blocks over word, position and type embeddings.

J. Devlin et al. "BERT: Pre-training of Deep Bidirectional Transformers for Language Understanding". NAACL 2019. Other
than in the pre-norm blocks of :mod:`xmr_lib.nn.transformer`, the sum is normalised:

    x <- LN(x + Attention(x))          x <- LN(x + MLP(x))
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from xmr_lib.errors import InvalidInput, check_choice
from xmr_lib.nn.encoded import Encoded, Tower, trim
from xmr_lib.nn.transformer import Attention, activation, masked_mean


class PostNormBlock(nn.Module):
    """One block. (b, t, d) -> (b, t, d).

    Args:
        width: d. heads: Of the attention. ratio: Hidden width of the MLP, in units of d.
        act: See :func:`xmr_lib.nn.transformer.activation`.
        dropout: On what attention and MLP add, in training.
        eps: Of the layer norms.
    """

    def __init__(
        self, width: int, heads: int, ratio: float = 4, act: str = "gelu", dropout: float = 0.0, eps: float = 1e-12
    ) -> None:
        super().__init__()
        hidden = round(ratio * width)
        self.attention, self.norm_1 = Attention(width, heads), nn.LayerNorm(width, eps)
        self.mlp = nn.Sequential(nn.Linear(width, hidden), activation(act), nn.Linear(hidden, width))
        self.norm_2, self.dropout = nn.LayerNorm(width, eps), nn.Dropout(dropout)

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        """``mask``: (b, t) bool, True where a token may be seen."""
        x = self.norm_1(x + self.dropout(self.attention(x, mask=mask)))
        return self.norm_2(x + self.dropout(self.mlp(x)))


class Bert(Tower):
    """The encoder, as a text tower. Defaults: BERT-Base.

    A model that reads more than text uses its parts: :meth:`embed` gives vectors to which others (image regions) can be
    joined, :meth:`encode` mixes them.

    Args:
        vocabulary: Number of tokens, 0 = padding. length: Longest text in tokens.
        width, layers, heads, ratio, act: Of the blocks.
        pool: ``"first"``: the vector of the first token, [CLS] or [BOS] (ALIGN); ``"pooler"``: BERT's layer
            ``tanh(W x_first + b)`` on it; ``"mean"``: the mean of all tokens.
        types: Number of token types (first and second sentence, or text and image).
        dropout: On embeddings and blocks, in training. (BERT's dropout of attention weights is left out.)
        eps: Of the layer norms. std: Of all first weights.
    """

    def __init__(
        self,
        vocabulary: int,
        length: int = 512,
        width: int = 768,
        layers: int = 12,
        heads: int = 12,
        ratio: float = 4,
        act: str = "gelu",
        pool: str = "first",
        types: int = 2,
        dropout: float = 0.1,
        eps: float = 1e-12,
        std: float = 0.02,
    ) -> None:
        super().__init__()
        self.width, self.pool = width, check_choice(pool, ("first", "pooler", "mean"), "pooling of BERT")
        self.words, self.positions = nn.Embedding(vocabulary, width, padding_idx=0), nn.Embedding(length, width)
        self.types = nn.Embedding(types, width)
        self.norm, self.dropout = nn.LayerNorm(width, eps), nn.Dropout(dropout)
        self.blocks = nn.ModuleList(PostNormBlock(width, heads, ratio, act, dropout, eps) for _ in range(layers))
        self.pooler = nn.Linear(width, width) if pool == "pooler" else None
        self.apply(lambda layer: _start(layer, std))

    def forward(self, text: Tensor, types: Tensor | None = None) -> Encoded:
        """(b, length) int64, 0 = padding -> tokens after the last block, and the pooled vector.

        Args:
            text: Every row has a token. types: As :meth:`embed`.

        Raises:
            InvalidInput: Longer than this tower's positions.
        """
        text = trim(text)
        mask = text > 0  # (b, t)
        x = self.encode(self.embed(text, None if types is None else types[:, : text.shape[1]]), mask)  # (b, t, w)
        return Encoded(x, mask, self._pooled(x, mask))

    def embed(self, text: Tensor, types: Tensor | None = None) -> Tensor:
        """Normalised sums of word, position and type vectors: (b, t), (b, t) int64 (default: type 0) -> (b, t, w)."""
        if text.shape[1] > self.positions.num_embeddings:
            raise InvalidInput(f"This BERT reads {self.positions.num_embeddings} tokens at most, not {text.shape[1]}.")
        kind = self.types.weight[0] if types is None else self.types(types)  # (w,) or (b, t, w)
        return self.dropout(self.norm(self.words(text) + self.positions.weight[: text.shape[1]] + kind))

    def encode(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        """Through all blocks: (b, t, w), (b, t) bool -> (b, t, w)."""
        for block in self.blocks:
            x = block(x, mask)
        return x

    def _pooled(self, x: Tensor, mask: Tensor) -> Tensor:
        if self.pool == "mean":
            return masked_mean(x, mask)
        return x[:, 0] if self.pooler is None else torch.tanh(self.pooler(x[:, 0]))


def _start(layer: nn.Module, std: float) -> None:
    """BERT's first weights: normal, biases 0, and no vector for padding."""
    if isinstance(layer, nn.Linear | nn.Embedding):
        nn.init.normal_(layer.weight, std=std)
    if isinstance(layer, nn.Linear):
        nn.init.zeros_(layer.bias)
    if isinstance(layer, nn.Embedding) and layer.padding_idx is not None:
        with torch.no_grad():
            layer.weight[layer.padding_idx] = 0
