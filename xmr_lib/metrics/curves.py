"""Precision against recall, two kinds of curve. Say on the axis which one you show.

*By rank* (common-space papers): one point per cut-off k = 1, 2, ..., averaged over the queries.
*By Hamming radius* (hash look-up): one point per radius 0 .. D. ``macro`` averages each query's precision, an empty
ball counting 0; ``micro`` pools all (query, item) pairs first. Some published code drops empty balls, and balls without
a hit, before it averages; that flatters the curve and is not offered.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xmr_lib.errors import InvalidInput, check_choice, check_positive
from xmr_lib.metrics.hamming import distance_histograms
from xmr_lib.metrics.inputs import check_relevance, check_similarity
from xmr_lib.metrics.ties import TIES, ranked_gains, tie_groups

AVERAGES = ("macro", "micro")


@dataclass(frozen=True)
class Curve:
    """Points of a precision-recall curve.

    Attributes:
        precision: (p,) in 0..1.
        recall: (p,) in 0..1, rising.
        at: (p,) the rank cut-off or the radius of each point.
        kind: ``"rank"``, ``"radius, macro"`` or ``"radius, micro"``; belongs into the axis label.
        queries: How many queries were averaged; those without a relevant item are left out.
    """

    precision: NDArray[np.float64]
    recall: NDArray[np.float64]
    at: NDArray[np.int64]
    kind: str
    queries: int


def precision_recall_curve(
    similarity: Any, relevance: Any, *, cutoffs: Sequence[int] | None = None, ties: str = "expected"
) -> Curve:
    """Precision hits(k)/k and recall hits(k)/R at rank cut-offs, averaged over the queries that have relevant items.

    Args:
        similarity: (q, n) real scores, larger = more alike.
        relevance: (q, n) bool.
        cutoffs: Ranks 1..n; default: all of them.
        ties: See :mod:`xmr_lib.metrics.ties`.

    Returns:
        A :class:`Curve` of kind ``"rank"``.

    Example:
        >>> curve = precision_recall_curve([[5, 4, 3, 2, 1]], [[1, 0, 1, 1, 0]])
        >>> curve.precision.round(3), curve.recall.round(3)
        (array([1.   , 0.5  , 0.667, 0.75 , 0.6  ]), array([0.333, 0.333, 0.667, 1.   , 1.   ]))
    """
    check_choice(ties, TIES, "tie rule")
    similarity = check_similarity(similarity)
    relevance = check_relevance(relevance, similarity.shape)
    n = similarity.shape[1]
    at = np.arange(1, n + 1) if cutoffs is None else np.array([check_positive(k, "A cut-off") for k in cutoffs])
    if at.size == 0 or at.max() > n:
        raise InvalidInput(
            f"Cut-offs must lie between 1 and the {n} database items, but they are {list(cutoffs or ())}."
        )
    kept = _with_relevant(relevance)
    precision, recall = np.zeros(len(at)), np.zeros(len(at))
    for i in kept:
        if ties == "expected":
            groups = tie_groups(similarity[i], relevance[i])
            step = np.repeat(groups.relevant / groups.size, groups.size)  # each tied rank is relevant with chance r/n
        else:
            step = ranked_gains(similarity[i], relevance[i], ties)
        hits = np.cumsum(step)
        precision += hits[at - 1] / at
        recall += hits[at - 1] / hits[-1]
    return Curve(precision / len(kept), recall / len(kept), at, "rank", len(kept))


def hamming_precision_recall_curve(distances: Any, relevance: Any, *, average: str = "macro") -> Curve:
    """Precision and recall inside Hamming balls of radius 0, 1, ..., D, from cumulative histograms.

    Args:
        distances: (q, n) whole numbers >= 0.
        relevance: (q, n) bool.
        average: ``"macro"`` (per query, then the mean; an empty ball has precision 0) or ``"micro"`` (pooled).

    Returns:
        A :class:`Curve` with one point per radius.

    Example:
        >>> hamming_precision_recall_curve([[0, 1, 1, 2, 4]], [[1, 0, 1, 1, 0]]).precision.round(3)
        array([1.   , 0.667, 0.75 , 0.75 , 0.6  ])
    """
    check_choice(average, AVERAGES, "average")
    histograms = distance_histograms(distances, relevance)
    kept = _with_relevant(histograms.relevant)
    inside, hits = (np.cumsum(table[kept], axis=1) for table in histograms)
    if average == "micro":
        inside, hits = inside.sum(axis=0, keepdims=True), hits.sum(axis=0, keepdims=True)
    precision, recall = hits / np.maximum(inside, 1), hits / hits[:, -1:]
    at = np.arange(inside.shape[1])
    return Curve(precision.mean(axis=0), recall.mean(axis=0), at, f"radius, {average}", len(kept))


def _with_relevant(relevance: NDArray[Any]) -> NDArray[np.int64]:
    """Indices of the queries that have a relevant item."""
    kept = np.flatnonzero(relevance.any(axis=1))
    if len(kept) == 0:
        raise InvalidInput("None of the queries has a relevant item, so there is no curve. Check the relevance matrix.")
    return kept
