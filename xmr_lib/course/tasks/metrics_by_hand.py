"""Solutions of exercise 01 and the inputs they are tried on.

All inputs are free of ties, so every order is decided. Queries without anything relevant are left out of the mean.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from xmr_lib.course.task import Case

Array = NDArray[Any]


def ranked(similarity: Array, values: Array) -> Array:
    """Every row of ``values`` in the order of decreasing similarity."""
    return np.take_along_axis(values, np.argsort(-similarity, axis=1), axis=1)


def recall_at_k(similarity: Array, relevance: Array, k: int) -> float:
    """Share of queries with at least one relevant item among their first k."""
    has_hit = np.asarray(ranked(similarity, relevance)[:, :k].any(axis=1))
    has_relevant = relevance.any(axis=1)
    return float(has_hit[has_relevant].mean())


def eleven_point_ap(ranked_relevance: Array) -> float:
    """Mean over the recall levels 0, .1, ..., 1 of the best precision at a rank that reaches the level."""
    hits = np.cumsum(ranked_relevance)
    precision = hits / np.arange(1, len(hits) + 1)
    return float(np.mean([precision[10 * hits >= level * hits[-1]].max() for level in range(11)]))


def map_at_k(similarity: Array, relevance: Array, k: int, denominator: str) -> float:
    """Mean of the precision sums of the first k ranks, each divided by what ``denominator`` names."""
    rows = ranked(similarity, relevance)[relevance.any(axis=1)]
    return float(np.mean([precision_sum(row[:k]) / divisor(row, k, denominator) for row in rows]))


def precision_sum(row: Array) -> float:
    """Sum of the precisions at the ranks of the relevant items of one ranking."""
    ranks = np.flatnonzero(row) + 1
    return float((np.arange(1, len(ranks) + 1) / ranks).sum())


def divisor(row: Array, k: int, denominator: str) -> float:
    """R, min(k, R) or hits(k) of one ranking; at least 1, so that no hits give 0."""
    total = int(row.sum())
    return max({"relevant": total, "min": min(k, total), "hits": int(row[:k].sum())}[denominator], 1)


def ndcg_at_k(similarity: Array, gains: Array, k: int) -> float:
    """Mean of DCG@k divided by the DCG@k of the best order, with gain 2^g - 1 and discount log2(rank + 1)."""
    keep = gains.any(axis=1)
    best = -np.sort(-gains, axis=1)
    return float((dcg(ranked(similarity, gains), k)[keep] / dcg(best, k)[keep]).mean())


def dcg(grades: Array, k: int) -> Array:
    """DCG@k of every row of grades in rank order."""
    top = grades[:, :k]
    return ((2.0**top - 1) / np.log2(np.arange(2, top.shape[1] + 2))).sum(axis=1)


SMALL_SIMILARITY = np.array([[0.9, 0.2, 0.4, 0.1], [0.3, 0.8, 0.7, 0.5], [0.6, 0.1, 0.2, 0.4]])
SMALL_RELEVANCE = np.array([[False, False, True, False], [False, True, True, False], [False, False, False, True]])


def matrices(seed: int, queries: int, items: int, share: float) -> tuple[Array, Array]:
    """Scores without ties that lean towards the relevant items; the last query has nothing relevant."""
    rng = np.random.default_rng(seed)
    relevance = rng.random((queries, items)) < share
    relevance[np.arange(queries), rng.integers(items, size=queries)] = True
    relevance[-1] = False
    scores = rng.permuted(np.tile(np.linspace(-1, 1, items), (queries, 1)), axis=1)
    return scores + 0.4 * relevance + 1e-4 * rng.random((queries, items)), relevance


def recall_cases() -> list[Case]:
    few, few_relevant = matrices(1, 6, 9, 0.1)
    many, many_relevant = matrices(2, 12, 30, 0.08)
    return [
        Case("three queries, four items, k = 1", (SMALL_SIMILARITY, SMALL_RELEVANCE, 1)),
        Case("three queries, four items, k = 2", (SMALL_SIMILARITY, SMALL_RELEVANCE, 2)),
        Case("6 queries (one without a relevant item), 9 items, k = 3", (few, few_relevant, 3)),
        Case("12 queries, 30 items, k = 5", (many, many_relevant, 5)),
        Case("k = 50, more than the 9 items there are", (few, few_relevant, 50)),
    ]


def ap_cases() -> list[Case]:
    rng = np.random.default_rng(3)
    return [
        Case("the ranking [1, 0, 1, 1, 0]", (np.array([1, 0, 1, 1, 0]),)),
        Case("the ranking [0, 1]", (np.array([0, 1]),)),
        Case("the ranking [0, 0, 0], nothing relevant", (np.array([0, 0, 0]),)),
        Case("the ranking [1, 1, 0, 0]", (np.array([1, 1, 0, 0]),)),
        Case("a ranking of 40 items, 30 % relevant", ((rng.random(40) < 0.3).astype(int),)),
        Case("10 relevant items, 3 of them on top, the others at ranks 21 to 27", (np.repeat([1, 0, 1], [3, 17, 7]),)),
    ]


def map_cases() -> list[Case]:
    similarity = -np.arange(8.0)[None]
    toy = np.array([[1, 0, 1, 0, 0, 1, 1, 1]], dtype=bool)
    many, many_relevant = matrices(4, 10, 25, 0.3)
    few, few_relevant = matrices(5, 8, 20, 0.02)
    cases = [Case(f"the ranking 1 0 1 0 0 1 1 1, k = 3, {name!r}", (similarity, toy, 3, name)) for name in NAMES]
    cases += [Case(f"10 queries, 25 items, k = 6, {name!r}", (many, many_relevant, 6, name)) for name in NAMES]
    cases += [
        Case(f"8 queries with few relevant items, k = 4, {name!r}", (few, few_relevant, 4, name)) for name in NAMES
    ]
    return cases


NAMES = ("relevant", "min", "hits")


def ndcg_cases() -> list[Case]:
    rng = np.random.default_rng(6)
    scores, relevance = matrices(7, 7, 15, 0.4)
    grades = relevance * rng.integers(1, 4, size=relevance.shape)
    one = -np.arange(5.0)[None]
    return [
        Case("one query whose grades are 2 0 1 0 1 in rank order, k = 5", (one, np.array([[2, 0, 1, 0, 1]]), 5)),
        Case("the same grades, k = 2", (one, np.array([[2, 0, 1, 0, 1]]), 2)),
        Case("grades 0 3 1 in rank order, k = 1", (-np.arange(3.0)[None], np.array([[0, 3, 1]]), 1)),
        Case("7 queries (one without any gain), 15 items, k = 4", (scores, grades, 4)),
        Case("k = 40, more than the 15 items there are", (scores, grades, 40)),
    ]
