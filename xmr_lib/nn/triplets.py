"""Triplets with class labels: an anchor, its partner from the other side, and something of another class."""

from __future__ import annotations

import torch
from torch import Tensor


def squared_distances(a: Tensor, b: Tensor) -> Tensor:
    """Squared Euclidean distances of every row of ``a`` (n, d) to every row of ``b`` (m, d): (n, m), 0 or more.

    Written as |a|^2 - 2 ab' + |b|^2: one matrix product, and no square root whose gradient explodes at 0.

    >>> squared_distances(torch.tensor([[0.0, 0.0]]), torch.tensor([[3.0, 4.0], [0.0, 0.0]])).tolist()
    [[25.0, 0.0]]
    """
    products = a @ b.T  # (n, m)
    return (a.square().sum(1)[:, None] - 2 * products + b.square().sum(1)[None, :]).clamp_min(0)


def hardest_negative_triplets(distances: Tensor, classes: Tensor, margin: float) -> Tensor:
    """Hinge on the nearest item of another class: mean of ``max(0, margin + d(a_i, b_i) - min_k d(a_i, b_k))``.

    Args:
        distances: (n, n), row: anchor, column: other side; the partner of anchor i is column i.
        classes: (n,) class numbers; only columns of another class are negatives.
        margin: How much farther the negative must be than the partner.

    Returns:
        A scalar, 0 or more. Anchors without a negative in the batch count as 0; a batch of one class gives 0.
    """
    negative = classes[:, None] != classes[None, :]  # (n, n)
    nearest = distances.masked_fill(~negative, torch.inf).amin(dim=1)  # (n,); inf: no negative
    return (margin + distances.diagonal() - nearest).clamp_min(0).mean()
