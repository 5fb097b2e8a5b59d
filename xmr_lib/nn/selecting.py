"""The selecting hash layer: every bit chooses between its two values by a softmax of its own."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class SelectingHash(nn.Module):
    """K independent 2-way softmaxes; the output of a bit is ``p_1 - p_0`` in -1..1, and its sign is the argmax.

    A softmax over two numbers depends on their difference alone: ``p_1 - p_0 = tanh((z_1 - z_0) / 2)``. So this layer
    is a tanh layer in other words: what makes DCHMT's outputs binary is the loss on top of it.

    Args:
        d: Columns of the input.
        bits: K.

    Source: J. Tu et al., ACM MM 2022, "selecting mechanism"; the two values are -1 and +1.
    """

    def __init__(self, d: int, bits: int) -> None:
        super().__init__()
        self.scores = nn.Linear(d, 2 * bits)

    def forward(self, x: Tensor) -> Tensor:
        """(b, d) -> (b, K) in -1..1."""
        p = self.scores(x).unflatten(1, (-1, 2)).softmax(dim=2)  # (b, K, 2)
        return p[..., 1] - p[..., 0]


def both_values(outputs: Tensor) -> Tensor:
    """u: the probabilities of +1 and of -1 of every bit, from the outputs ``p_1 - p_0``.

    For binary outputs the squared Euclidean distance of two rows of u is 2 x Hamming distance.

    Args:
        outputs: (b, K) in -1..1.

    Returns:
        (b, 2K) in 0..1: K times p_1, then K times p_0.

    >>> both_values(torch.tensor([[1.0, 0.5]])).tolist()
    [[1.0, 0.75, 0.0, 0.25]]
    """
    return torch.cat([1 + outputs, 1 - outputs], dim=1) / 2


def certainty(outputs: Tensor) -> Tensor:
    """Mean over items and bits of max(p_0, p_1): .5 undecided, 1 binary already. (b, K) -> scalar.

    >>> certainty(torch.tensor([[1.0, -0.5]])).item()
    0.875
    """
    return (1 + outputs.abs()).mean() / 2
