"""Graphs from labels: how alike the items of a batch are, and who listens to whom.

    A = 2 sigmoid(L L^T) - 1        in [0, 1): 0 without a shared label, .46 with one, .76 with two, .91 with three

The intra graph of one modality is A with rows that sum to 1. The cross graph has 2 b nodes, the images and the texts of
the batch: an item listens to itself and, weighted by A, to the items of the *other* modality.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F


def label_affinity(labels: Tensor) -> Tensor:
    """A = 2 sigmoid(L L^T) - 1. (b, c) multi-hot -> (b, b) in [0, 1).

    >>> label_affinity(torch.tensor([[1.0, 1.0], [0.0, 1.0]])).round(decimals=2).tolist()
    [[0.7599999904632568, 0.46000000834465027], [0.46000000834465027, 0.46000000834465027]]
    """
    return 2 * torch.sigmoid(labels @ labels.T) - 1


def row_normalised(weights: Tensor) -> Tensor:
    """Divide every row by its sum: a graph convolution with it takes weighted means. A row of zeros stays zero.

    >>> row_normalised(torch.tensor([[1.0, 3.0], [0.0, 0.0]])).tolist()
    [[0.25, 0.75], [0.0, 0.0]]
    """
    return weights / weights.sum(dim=1, keepdim=True).clamp_min(torch.finfo(weights.dtype).tiny)


def cross_graph(affinity: Tensor) -> Tensor:
    """[[I, A], [A, I]] with rows that sum to 1: images first, then texts. (b, b) -> (2b, 2b).

    >>> cross_graph(torch.tensor([[1.0]])).tolist()
    [[0.5, 0.5], [0.5, 0.5]]
    """
    own = torch.eye(len(affinity), dtype=affinity.dtype, device=affinity.device)
    return row_normalised(torch.cat([torch.cat([own, affinity], dim=1), torch.cat([affinity, own], dim=1)]))


def cosines(a: Tensor, b: Tensor | None = None) -> Tensor:
    """Cosine of every row of ``a`` (n, d) with every row of ``b`` (m, d), or of ``a`` itself: (n, m)."""
    unit = F.normalize(a, dim=1)
    return unit @ (unit if b is None else F.normalize(b, dim=1)).T
