"""Similarity of label sets in degrees, and cut at a threshold: stricter than "they share a label"."""

from __future__ import annotations

import torch
from torch import Tensor

from xmr_lib.nn.codes import label_similarity

ROUNDING = 1e-6  # a cosine equal to the threshold counts as reaching it, however it was rounded


def label_cosine(a: Tensor, b: Tensor) -> Tensor:
    """Cosine of every row of ``a`` with every row of ``b``; a row of zeros has cosine 0 with all.

    For multi-hot rows this is (shared labels) / sqrt(labels of i * labels of j): for training what
    :func:`xmr_lib.metrics.label_cosine_relevance` cuts at a threshold to measure.

    Args:
        a: (b, c), 0 or more. b: (n, c).

    Returns:
        (b, n) in 0..1.

    >>> label_cosine(torch.tensor([[1.0, 0.0]]), torch.tensor([[1.0, 0.0], [1.0, 1.0], [0.0, 1.0]])).round(decimals=3)
    tensor([[1.0000, 0.7070, 0.0000]])
    """
    norms = a.norm(dim=1)[:, None] * b.norm(dim=1)[None, :]  # (b, n)
    return a @ b.T / norms.clamp_min(1e-12)


def threshold_similarity(a: Tensor, b: Tensor, threshold: float | None) -> Tensor:
    """S_ij = 1 where the cosine of two label rows reaches the threshold, else 0. (b, c), (n, c) -> (b, n).

    ``threshold=None`` is the usual rule, "they share at least one label", which a threshold just above 0 gives too.

    >>> rows = torch.tensor([[1.0, 0.0, 0.0], [1.0, 1.0, 1.0]])
    >>> threshold_similarity(rows, rows, 0.6).tolist(), threshold_similarity(rows, rows, None).tolist()
    ([[1.0, 0.0], [0.0, 1.0]], [[1.0, 1.0], [1.0, 1.0]])
    """
    if threshold is None:
        return label_similarity(a, b)
    return (label_cosine(a, b) >= threshold - ROUNDING).to(a.dtype)


def with_code_bits(labels: Tensor, outputs: Tensor, factor: float) -> Tensor:
    """Label rows with ``factor`` times the bits of a code, 0 or 1, beside them: [L, factor * (h > 0)].

    Rows with alike codes come closer in cosine. A shared bit adds factor^2 to an inner product in which a shared label
    counts 1: with K bits and l labels per row, ``factor = sqrt(l / K)`` gives both the same weight.

    Args:
        labels: (b, c) multi-hot. outputs: (b, bits) real outputs or codes. factor: 0 or more.

    Returns:
        (b, c + bits), of the type of ``labels``.

    >>> with_code_bits(torch.tensor([[0.0, 1.0]]), torch.tensor([[0.3, -0.2]]), 0.5).tolist()
    [[0.0, 1.0, 0.5, 0.0]]
    """
    return torch.cat([labels, factor * (outputs > 0).to(labels.dtype)], dim=1)
