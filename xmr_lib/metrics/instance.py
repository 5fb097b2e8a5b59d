"""Metrics of instance retrieval: did the one right partner come up, and at which rank?

No sort is needed. The rank of the best right item is one more than the number of items that score higher.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from xmr_lib.errors import check_choice, check_positive
from xmr_lib.metrics.inputs import check_relevance, check_similarity, row_chunks
from xmr_lib.metrics.score import Score, average
from xmr_lib.metrics.ties import TIES


class FirstHits(NamedTuple):
    """The tie group that holds the best right item of each query; three (q,) vectors."""

    ahead: NDArray[np.int64]  # items that score higher than the best right item
    tied: NDArray[np.int64]  # items that score the same, itself included
    right: NDArray[np.int64]  # right items among the tied ones; 0: this query has no right item

    @property
    def rank(self) -> NDArray[np.float64]:
        """(q,) 1-based rank of the first right item, expected over the orders of the tied items."""
        return self.ahead + (self.tied + 1) / (self.right + 1)

    def hit_probability(self, k: int) -> NDArray[np.float64]:
        """(q,) probability that a right item is among the first ``k``: 0 or 1 without ties.

        With t of the ``tied`` places above the cut-off, all of them are wrong with probability
        prod_{j<t} (tied - right - j) / (tied - j).
        """
        places = np.clip(check_positive(k, "k") - self.ahead, 0, self.tied)
        miss = np.ones(len(places))
        for j in range(int(places.max(initial=0))):
            factor = np.maximum(self.tied - self.right - j, 0) / np.maximum(self.tied - j, 1)
            miss *= np.where(j < places, factor, 1.0)
        return 1.0 - miss

    def recall_at(self, k: int, empty: str = "skip") -> Score:
        """R@K, see :func:`recall_at_k`."""
        return average(self.hit_probability(k), self.right > 0, empty)

    def median_rank(self) -> Score:
        """MedR, see :func:`median_rank`."""
        return average(self.rank, self.right > 0, "skip", np.median)

    def mean_rank(self) -> Score:
        """MeanR, see :func:`mean_rank`."""
        return average(self.rank, self.right > 0, "skip")


def first_hits(similarity: Any, relevance: Any, ties: str = "expected") -> FirstHits:
    """Find the best right item of each query by counting; all instance metrics follow from the result.

    Args:
        similarity: (q, n) real scores, larger = more alike.
        relevance: (q, n) bool.
        ties: See :mod:`xmr_lib.metrics.ties`. A fixed rule gives groups of one item, at the place the rule says.

    Returns:
        Three (q,) vectors; computed in pieces of rows, so memory stays bounded.
    """
    check_choice(ties, TIES, "tie rule")
    similarity = check_similarity(similarity)
    relevance = check_relevance(relevance, similarity.shape)
    limits = np.iinfo(similarity.dtype) if similarity.dtype.kind in "iu" else None
    lowest = -np.inf if limits is None else limits.min
    ahead, tied, right = (np.zeros(len(similarity), dtype=np.int64) for _ in range(3))
    for rows in row_chunks(similarity.shape):
        scores, is_right = similarity[rows], relevance[rows]
        best = np.where(is_right, scores, lowest).max(axis=1, keepdims=True)
        level = scores == best
        ahead[rows] = np.count_nonzero(scores > best, axis=1)
        tied[rows] = np.count_nonzero(level, axis=1)
        right[rows] = np.count_nonzero(level & is_right, axis=1)
        if ties == "index":  # tied items stored before the first right one come before it
            first = (level & is_right).argmax(axis=1, keepdims=True)
            ahead[rows] += np.count_nonzero(level & (np.arange(level.shape[1]) < first), axis=1)
    if ties == "pessimistic":
        ahead += tied - right
    if ties != "expected":
        tied = np.minimum(right, 1)
        right = tied
    return FirstHits(ahead, tied, right)


def recall_at_k(similarity: Any, relevance: Any, k: int, *, ties: str = "expected", empty: str = "skip") -> Score:
    """R@K: the share of queries that have a right item among their first K.

    R@K = mean_q [ rank of the best right item of q <= K ]

    This is what image-text papers call R@K; other fields call it hit rate or accuracy@k. (Their "recall" divides by
    the number of relevant items; that one is :func:`found_at_k` here.) An image with five captions counts as hit when
    *any* of the five is in the top K; each caption has only one image, so i2t is the easier direction.

    Args:
        similarity: (q, n) real scores, larger = more alike.
        relevance: (q, n) bool.
        k: The cut-off K.
        ties: See :mod:`xmr_lib.metrics.ties`. Under the default a model that scores everything alike gets K/n (one
            right item), not 100 %.
        empty: Queries without a right item: ``"skip"`` or ``"zero"``.

    Returns:
        A float in 0..1 with ``.per_query`` and ``.empty``.

    Raises:
        InvalidInput: k is not a positive whole number, shapes differ, or no query has a right item.

    Example:
        >>> similarity = np.array([[0.9, 0.1], [0.8, 0.3]])
        >>> recall_at_k(similarity, np.eye(2, dtype=bool), k=1)
        0.5
    """
    check_positive(k, "k")
    return first_hits(similarity, relevance, ties).recall_at(k, empty)


def median_rank(similarity: Any, relevance: Any, *, ties: str = "expected") -> Score:
    """MedR: the median over the queries of the 1-based rank of the best right item; 1 is perfect.

    Half ranks can occur. VSE++ and its followers print the median rounded down. Queries without a right item are left
    out. Arguments as in :func:`recall_at_k`.

    Example:
        >>> median_rank(np.array([[0.9, 0.1], [0.8, 0.3]]), np.eye(2, dtype=bool))
        1.5
    """
    return first_hits(similarity, relevance, ties).median_rank()


def mean_rank(similarity: Any, relevance: Any, *, ties: str = "expected") -> Score:
    """MeanR: the mean 1-based rank of the best right item; one query at rank 1000 moves it, the median ignores it.

    Arguments as in :func:`recall_at_k`; queries without a right item are left out.
    """
    return first_hits(similarity, relevance, ties).mean_rank()


def rsum(similarity: Any, relevance: Any, *, ks: Sequence[int] = (1, 5, 10), ties: str = "expected") -> float:
    """Sum of R@K over ``ks`` and both directions; with three cut-offs it is at most 6. Papers print 100 times this.

    Args:
        similarity: (n, m) images against captions.
        relevance: (n, m) bool.
        ks: The cut-offs.
        ties: See :mod:`xmr_lib.metrics.ties`.
    """
    similarity, relevance = np.asarray(similarity), np.asarray(relevance)
    both = (first_hits(similarity, relevance, ties), first_hits(similarity.T, relevance.T, ties))
    return sum(float(hits.recall_at(k)) for hits in both for k in ks)
