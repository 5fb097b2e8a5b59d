"""What guessing scores: the line every result has to be read against.

No formulas of its own: a model that gives every item the same score ranks at random, and all metrics here average
exactly over the orders of tied items. To a random ranking, queries with equally many relevant items are alike, so one
stand-in for each number is enough.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xmr_lib.metrics.score import Score


def chance_level(metric: Callable[..., Score], relevance: Any, *args: Any, **options: Any) -> Score:
    """The expected value of a metric for a ranking in random order.

    Args:
        metric: Any metric ``metric(similarity, relevance, ...)`` with the tie rule ``"expected"`` (the default).
        relevance: (q, n) bool, or gains for NDCG.
        args, options: Further arguments of the metric, such as ``k=10``.

    Example: ten candidates, one of them right.
        >>> from xmr_lib.metrics import recall_at_k
        >>> round(chance_level(recall_at_k, np.eye(10, dtype=bool), k=3), 6)
        0.3
    """
    (rows,), alike = stand_ins(np.asarray(relevance))
    return metric(constant_similarity(rows.shape), rows, *args, **options).take(alike)


def constant_similarity(shape: tuple[int, ...]) -> NDArray[np.int8]:
    """A model that cannot tell items apart; takes no memory."""
    return np.broadcast_to(np.int8(0), shape)


def stand_ins(*relevance: NDArray[Any]) -> tuple[list[NDArray[Any]], NDArray[np.int64]]:
    """One row for all queries that have the same number of relevant items in each of the matrices.

    Args:
        relevance: Matrices of one shape (q, n), bool. With gains among them every query stands for itself.

    Returns:
        The matrices with u rows, and (q,) the row that stands for each query.

    Example:
        >>> stand_ins(np.array([[True, False], [True, True], [False, True]]))
        ([array([[ True, False],
               [ True,  True]])], array([0, 1, 0]))
    """
    if any(matrix.dtype != bool for matrix in relevance):
        return list(relevance), np.arange(len(relevance[0]))
    counts = np.stack([matrix.sum(axis=1) for matrix in relevance])
    different, alike = np.unique(counts, axis=1, return_inverse=True)
    column = np.arange(relevance[0].shape[1])
    return [column < count[:, None] for count in different], alike.ravel()
