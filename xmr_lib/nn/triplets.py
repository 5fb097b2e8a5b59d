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


def all_negative_triplets(distances: Tensor, classes: Tensor, margin: float) -> Tensor:
    """Hinge on every item of another class: mean over (i, k) of ``max(0, margin + d(a_i, b_i) - d(a_i, b_k))``.

    Args:
        distances: (n, n), row: anchor, column: other side; the partner of anchor i is column i.
        classes: (n,) class numbers; only columns of another class are negatives.
        margin: How much farther a negative must be than the partner.

    Returns:
        A scalar, 0 or more; 0 for a batch of one class.

    >>> d = torch.tensor([[1.0, 1.5], [4.0, 2.0]])
    >>> float(all_negative_triplets(d, torch.tensor([0, 1]), margin=1.0))
    0.25
    """
    negative = classes[:, None] != classes[None, :]  # (n, n)
    hinge = (margin + distances.diagonal()[:, None] - distances).clamp_min(0)  # (n, n)
    return (hinge * negative).sum() / negative.sum().clamp_min(1)


def pull_and_push(distances: Tensor, classes: Tensor, margin: float, lam: float = 1.0) -> Tensor:
    """Items of one class are pulled, others pushed: ``mean d(a, b+) + lam * mean max(0, margin - d(a, b-))``.

    Unlike in the other two forms no positive distance is compared with a negative one.

    Args:
        distances: (n, n), row: anchor, column: other side.
        classes: (n,) class numbers; columns of the same class, the partner among them, are positives.
        margin: mu, the distance from which a negative costs nothing.
        lam: Weight of the negatives.

    Returns:
        A scalar, 0 or more; the means run over all positive and all negative (anchor, item) of the batch.

    >>> d = torch.tensor([[1.0, 1.5], [4.0, 2.0]])
    >>> float(pull_and_push(d, torch.tensor([0, 1]), margin=2.0))
    1.75
    """
    same = classes[:, None] == classes[None, :]  # (n, n)
    pull = (distances * same).sum() / same.sum()
    push = ((margin - distances).clamp_min(0) * ~same).sum() / (~same).sum().clamp_min(1)
    return pull + lam * push
