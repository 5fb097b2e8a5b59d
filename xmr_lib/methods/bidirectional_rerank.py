"""Re-ranking without training: does the first answer, asked in return, find the query again? (AGREE's TBR)

X. Wang et al. "AGREE". WSDM 2023; the rule is that of the released code. It looks at nothing but the similarity matrix,
so it works after any method, in both directions (``similarity.T`` for text queries).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from xmr_lib.data.pairing import IntArray
from xmr_lib.errors import InvalidInput, check_positive
from xmr_lib.methods.base import Matrix
from xmr_lib.metrics.inputs import check_similarity

ABSENT = 10_000
"""Rank of a query that is not among the first k of a candidate's own list."""


def top_k(similarity: Any, k: int) -> IntArray:
    """(q, k) columns of the k largest scores of every row, the largest first; of equal scores the first column first.

    Args:
        similarity: (q, n) scores, larger = more alike.
        k: At most n columns are given.
    """
    scores = check_similarity(similarity)
    falling = -scores if scores.dtype.kind == "f" else -scores.astype(np.int64)  # minus an unsigned number is large
    order: IntArray = np.argsort(falling, axis=1, kind="stable")[:, : check_positive(k, "k")]
    return order


def bidirectional_order(similarity: Any, k: int = 10) -> IntArray:
    """Each query's k first candidates in a new order: by how well query and candidate find *each other*.

    Let r_1, ..., r_k be the list of query q, and back(r) the list of the first k queries for candidate r. If q is the
    first of back(r_1), the list stays. Otherwise it is sorted by

        [ rank of r_j in q's list + rank of q in back(r_j) ] / 2,    a rank beyond k being 10,000,

    candidates of equal mean in their old order.

    Args:
        similarity: (q, n) scores, larger = more alike.
        k: Length of both lists.

    Returns:
        (q, k) columns: every row is a permutation of the old list.

    Example: all three queries have candidate 0 first. Asked in return, it names query 0, then 2, then 1; candidate 1
    names query 1 first. For query 1 that makes (1 + 3) / 2 = 2 for candidate 0, (2 + 1) / 2 = 1.5 for candidate 1.
        >>> bidirectional_order(np.array([[0.9, 0.1], [0.7, 0.3], [0.8, 0.2]]), k=3).tolist()
        [[0, 1], [1, 0], [0, 1]]
    """
    scores = check_similarity(similarity)
    order, back = top_k(scores, k), top_k(scores.T, k)  # (q, k), (n, k')
    queries = np.arange(len(scores))
    found = back[order] == queries[:, None, None]  # (q, k, k'): is q at this place of the list of r_j?
    back_rank = np.where(found.any(2), found.argmax(2) + 1, ABSENT)  # (q, k)
    mean_rank = (np.arange(1, order.shape[1] + 1) + back_rank) / 2  # (q, k)
    new = np.argsort(mean_rank, axis=1, kind="stable")
    new[back_rank[:, 0] == 1] = np.arange(order.shape[1])  # q and its first answer agree
    permuted: IntArray = np.take_along_axis(order, new, axis=1)
    return permuted


def with_order(similarity: Any, order: IntArray) -> Matrix:
    """The similarity matrix that ranks the first candidates of each query in a given order.

    The scores of the old list are dealt out anew: a query's first candidates stay its first candidates, and those
    behind them keep their scores.

    Args:
        similarity: (q, n) scores.
        order: (q, k), in each row a permutation of the row's k first columns.

    Raises:
        InvalidInput: A row of ``order`` is not such a permutation.

    Example:
        >>> with_order(np.array([[0.9, 0.5, 0.1]]), np.array([[1, 0]])).tolist()
        [[0.5, 0.9, 0.1]]
    """
    scores = check_similarity(similarity)
    old = top_k(scores, order.shape[1])
    if not np.array_equal(np.sort(old, axis=1), np.sort(order, axis=1)):
        raise InvalidInput("Every row of the order must hold the first columns of that row, each once; use top_k().")
    changed = scores.copy()
    np.put_along_axis(changed, order, np.take_along_axis(scores, old, axis=1), axis=1)
    return changed


def bidirectional_rerank(similarity: Any, k: int = 10) -> Matrix:
    """(q, n) scores after :func:`bidirectional_order`; R@k and everything beyond place k are as before."""
    return with_order(similarity, bidirectional_order(similarity, k))
