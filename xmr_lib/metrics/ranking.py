"""Metrics of category retrieval over the whole ranking or a prefix: AP and MAP, P@k, R-Precision.

Notation: rel_i in {0, 1} is the relevance of the item at rank i, hits(k) = rel_1 + ... + rel_k, R the number of
relevant items in the whole database.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from xmr_lib.errors import check_choice, check_positive
from xmr_lib.metrics.hamming import average_precision_from_histograms, distance_histograms
from xmr_lib.metrics.inputs import check_relevance, check_similarity, row_chunks
from xmr_lib.metrics.packed import packed_average_precision
from xmr_lib.metrics.score import Score, average
from xmr_lib.metrics.ties import TIES, TieGroups, expected_hits, expected_precision_sum, per_query, ranked_gains

MOST_LEVELS = 4096  # whole-number similarities with at most this many levels are counted instead of sorted
SHORT_ROW = 2048  # float32 rows up to here are sorted together with their relevance; in longer ones plain sorts win


def average_precision(ranked_relevance: Any) -> float:
    """AP of one ranking: the mean, over the relevant items, of the precision at their ranks.

    AP = 1/R * sum_i rel_i * hits(i) / i

    Args:
        ranked_relevance: (n,) 0/1 or bool, the relevance of the whole database in rank order.

    Returns:
        0..1; 0 when nothing is relevant.

    Example:
        >>> round(average_precision([1, 0, 1, 1, 0]), 6)  # (1/1 + 2/3 + 3/4) / 3
        0.805556
    """
    ranks = np.flatnonzero(ranked_relevance) + 1  # 1-based ranks of the relevant items
    hits = np.arange(1, len(ranks) + 1)
    return float(np.mean(hits / ranks)) if len(ranks) else 0.0


def mean_average_precision(similarity: Any, relevance: Any, *, ties: str = "expected", empty: str = "skip") -> Score:
    """MAP over all: the mean over queries of :func:`average_precision` of the whole ranking.

    A random ranking scores about the share of relevant items (exactly: what a constant similarity scores here), so 10
    classes of equal size start at .10, not at 0. Whole-number similarities (minus a Hamming distance) are counted in
    histograms, without a sort.

    Trap: evaluation code that is copied between papers has a default ``k = 0`` meaning "k = number of queries". With
    500 queries and 20,000 items it then reports a MAP@500 as MAP over all, .38 where the truth is .22.

    Args:
        similarity: (q, n) real scores, larger = more alike.
        relevance: (q, n) bool.
        ties: See :mod:`xmr_lib.metrics.ties`.
        empty: Queries without a relevant item: ``"skip"`` or ``"zero"``.

    Returns:
        A float in 0..1 with ``.per_query`` and ``.empty``.

    Raises:
        InvalidInput: Shapes differ, a score is NaN, or no query has a relevant item.

    Example:
        >>> mean_average_precision(np.array([[0.9, 0.5, 0.1]]), np.array([[True, False, True]]))
        0.8333333333333333
    """
    check_choice(ties, TIES, "tie rule")
    similarity = check_similarity(similarity)
    relevance = check_relevance(relevance, similarity.shape)
    has_relevant = relevance.any(axis=1)
    if ties != "expected":
        values = per_query(similarity, relevance, ties, None, lambda ranked, _: average_precision(ranked), _no_groups)
    elif similarity.dtype.kind in "iu" and int(similarity.max()) - int(similarity.min()) < MOST_LEVELS:
        values = _by_counting(similarity, relevance)
    else:
        values, left = np.zeros(len(similarity)), has_relevant
        if similarity.dtype == np.float32 and similarity.shape[1] <= SHORT_ROW:
            values, left = packed_average_precision(similarity, relevance)
        for i in np.flatnonzero(left):
            values[i] = _by_sorting(similarity[i], relevance[i])
    return average(values, has_relevant, empty)


def _by_counting(similarity: NDArray[Any], relevance: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Expected AP of every query from histograms of a whole-number similarity. (q, n), (q, n) -> (q,)."""
    top, levels = int(similarity.max()), int(similarity.max()) - int(similarity.min()) + 1
    values = np.zeros(len(similarity))
    for rows in row_chunks(similarity.shape):
        histograms = distance_histograms(top - similarity[rows].astype(np.int64), relevance[rows], levels)
        values[rows] = average_precision_from_histograms(histograms)
    return values


def _by_sorting(scores: NDArray[Any], relevant: NDArray[np.bool_]) -> float:
    """Expected AP of one query. Two sorts of plain values and one look-up; an argsort would take twice as long.

    The rank of a relevant item is the number of items with at least its score. Only relevant items that share their
    score with another item need the formula for ties.
    """
    everything, ours = np.sort(scores), np.sort(scores[relevant])  # ascending
    n, r = len(everything), len(ours)
    below = np.searchsorted(everything, ours, side="left")
    precision = np.arange(r, 0, -1) / (n - below)  # hits / rank
    tied = everything[np.minimum(below + 1, n - 1)] == ours
    tied &= below + 1 < n
    if not tied.any():
        return float(precision.mean())
    level = np.unique(ours[tied])
    not_above = np.searchsorted(everything, level, side="right")
    group = TieGroups(
        size=not_above - np.searchsorted(everything, level, side="left"),
        relevant=np.searchsorted(ours, level, side="right") - np.searchsorted(ours, level, side="left"),
        before=n - not_above,
        relevant_before=r - np.searchsorted(ours, level, side="right"),
    )
    return float((precision[~tied].sum() + expected_precision_sum(group).sum()) / r)


def precision_at_k(similarity: Any, relevance: Any, k: int, *, ties: str = "expected", empty: str = "skip") -> Score:
    """P@k: the share of relevant items among the first k. P@k = hits(k) / k, also when fewer than k are relevant.

    Arguments, result and errors as in :func:`mean_average_precision`.

    Example:
        >>> precision_at_k(np.array([[0.9, 0.5, 0.1]]), np.array([[True, False, True]]), k=2)
        0.5
    """
    return _hits(similarity, relevance, check_positive(k, "k"), k, ties, empty)


def found_at_k(similarity: Any, relevance: Any, k: int, *, ties: str = "expected", empty: str = "skip") -> Score:
    """The share of the relevant items that are among the first k: hits(k) / R. "Recall@N" in hashing papers.

    Not the R@K of image-text retrieval, which asks for one right item only (:func:`recall_at_k`).

    Arguments, result and errors as in :func:`mean_average_precision`.
    """
    return _hits(similarity, relevance, check_positive(k, "k"), None, ties, empty)


def r_precision(similarity: Any, relevance: Any, *, ties: str = "expected", empty: str = "skip") -> Score:
    """R-Precision: the precision at rank R, where R is the query's own number of relevant items. hits(R) / R.

    Arguments, result and errors as in :func:`mean_average_precision`.

    Source: ECCV Caption (Chun et al., ECCV 2022), section 4.
    """
    return _hits(similarity, relevance, None, None, ties, empty)


def _hits(similarity: Any, relevance: Any, k: int | None, divide_by: int | None, ties: str, empty: str) -> Score:
    """Mean of hits(k) / ``divide_by``; each None stands for the query's number of relevant items R."""
    check_choice(ties, TIES, "tie rule")
    similarity = check_similarity(similarity)
    relevance = check_relevance(relevance, similarity.shape)
    total = relevance.sum(axis=1)
    depth = np.full(len(total), k) if k is not None else total
    hits = per_query(
        similarity,
        relevance,
        ties,
        depth,
        lambda ranked, i: float(ranked[: depth[i]].sum()),
        lambda groups, i: expected_hits(groups, int(depth[i])),
    )
    return average(hits / (divide_by or np.maximum(total, 1)), total > 0, empty)


def ranked_relevance(similarity: Any, relevance: Any, *, ties: str = "index") -> NDArray[np.bool_]:
    """The relevance of the database in rank order, one row per query: what the metrics see.

    Args:
        similarity: (q, n).
        relevance: (q, n) bool.
        ties: ``"index"``, ``"optimistic"`` or ``"pessimistic"``.

    Returns:
        (q, n) bool.

    Example:
        >>> ranked_relevance(np.array([[0.1, 0.9, 0.5]]), np.array([[True, True, False]])).astype(int)
        array([[1, 0, 1]])
    """
    check_choice(ties, TIES[1:], "tie rule for one fixed order")
    similarity = check_similarity(similarity)
    relevance = check_relevance(relevance, similarity.shape)
    return np.stack([ranked_gains(s, r, ties) for s, r in zip(similarity, relevance, strict=True)])


def _no_groups(groups: TieGroups, query: int) -> float:
    raise AssertionError("a fixed tie rule makes no groups")
