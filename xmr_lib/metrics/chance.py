"""What guessing scores: the line every result has to be read against.

No formulas of its own: a model that gives every item the same score ranks at random, and all metrics here average
exactly over the orders of tied items. To a random ranking, queries with equally many items of every grade are alike, so
one of them is enough.
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
    """One query for all that have equally many items of every grade, in each of the matrices.

    Args:
        relevance: Matrices of one shape (q, n): bool, or grades of an unsigned type such as the number of shared
            labels. With gains of another type among them every query stands for itself.

    Returns:
        The matrices with u rows, and (q,) the row that stands for each query.

    Example:
        >>> stand_ins(np.array([[True, False], [True, True], [False, True]]))
        ([array([[ True,  True],
               [ True, False]])], array([1, 0, 1]))
    """
    if any(matrix.dtype.kind not in "bu" for matrix in relevance):
        return list(relevance), np.arange(len(relevance[0]))
    counts = [(matrix == grade).sum(axis=1) for matrix in relevance for grade in range(int(matrix.max()) + 1)]
    _, first, alike = np.unique(np.stack(counts), axis=1, return_index=True, return_inverse=True)
    return [matrix[first] for matrix in relevance], alike.ravel()
