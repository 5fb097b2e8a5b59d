"""The mistakes people make in exercise 01, as functions: each is a metric with one thing wrong."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xmr_lib.course.task import Case
from xmr_lib.course.tasks.metrics_by_hand import divisor, ranked

Array = NDArray[Any]
TENTHS = tuple(tenth / 10 for tenth in range(11))


def recall(rule: Callable[[Array], Any], shift: int = 0) -> Callable[..., float]:
    """A wrong recall: ``rule`` turns the ranked top (q, k + shift) into one value per query."""

    def wrong(similarity: Array, relevance: Array, k: int) -> float:
        values = rule(ranked(similarity, relevance)[:, : k + shift])
        return float(values[relevance.any(axis=1)].mean())

    return wrong


def found_share(similarity: Array, relevance: Array, k: int) -> float:
    """Recall as web search counts it: the share of the relevant items that were found."""
    found, keep = ranked(similarity, relevance)[:, :k].sum(axis=1), relevance.any(axis=1)
    return float((found[keep] / relevance.sum(axis=1)[keep]).mean())


def hits_of_all(similarity: Array, relevance: Array, k: int) -> float:
    """Hit rate in which queries without anything relevant count as 0."""
    return float(ranked(similarity, relevance)[:, :k].any(axis=1).mean())


def at_levels(
    pick: Callable[[Array, Array, float], Array] = lambda precision, recall, level: precision[recall >= level],
    levels: Sequence[float] = TENTHS,
    first_rank: int = 1,
    of_all: bool = False,
) -> Callable[[Array], float]:
    """A wrong eleven-point AP: ``pick`` chooses the precisions of a level; the largest counts, 0 if there is none."""

    def wrong(ranked_relevance: Array) -> float:
        hits = np.cumsum(ranked_relevance)
        precision = hits / np.arange(first_rank, len(hits) + first_rank)
        recall = hits / (len(hits) if of_all else max(int(hits[-1]), 1))
        chosen = [pick(precision, recall, level) for level in levels]
        return float(np.mean([values.max() if len(values) else 0.0 for values in chosen]))

    return wrong


def plain_ap(ranked_relevance: Array) -> float:
    """Average precision of lesson 01: the mean over the relevant items."""
    ranks = np.flatnonzero(ranked_relevance) + 1
    return float(np.mean(np.arange(1, len(ranks) + 1) / ranks)) if len(ranks) else 0.0


def map_at_k(rule: Callable[[Array, int, str], float], keep_empty: bool = False) -> Callable[..., float]:
    """A wrong MAP@k: ``rule(row, k, denominator)`` gives the value of one ranking."""

    def wrong(similarity: Array, relevance: Array, k: int, denominator: str) -> float:
        keep = np.ones(len(relevance), dtype=bool) if keep_empty else relevance.any(axis=1)
        return float(np.mean([rule(row, k, denominator) for row in ranked(similarity, relevance)[keep]]))

    return wrong


def first_relevant(row: Array, k: int, denominator: str) -> float:
    """Precision sum of the first k relevant items, wherever they stand."""
    ranks = (np.flatnonzero(row) + 1)[:k]
    return float((np.arange(1, len(ranks) + 1) / ranks).sum()) / divisor(row, k, denominator)


def ndcg(
    gain: Callable[[Array], Any] = lambda g: 2.0**g - 1,
    start: int = 2,
    ideal: str = "all",
    flip: bool = False,
    keep_empty: bool = False,
) -> Callable[..., float]:
    """A wrong NDCG, put together from a gain, the first argument of log2, and how the ideal order is made."""

    def total(rows: Array, k: int) -> Array:
        top = gain(rows[:, :k])
        return (top / np.log2(np.arange(start, top.shape[1] + start))).sum(axis=1)

    def wrong(similarity: Array, gains: Array, k: int) -> float:
        rows = ranked(-similarity if flip else similarity, gains)
        best = -np.sort(-(rows[:, :k] if ideal == "top" else gains), axis=1)
        below = total(best, gains.shape[1] if ideal == "uncut" else k) if ideal != "none" else np.ones(len(gains))
        values = np.divide(total(rows, k), below, out=np.zeros(len(gains)), where=below > 0)
        return float((values if keep_empty else values[gains.any(axis=1)]).mean())

    return wrong


def is_nan(case: Case, expected: Any, got: Any) -> bool:
    """Whether the result is the number NaN."""
    return np.ndim(got) == 0 and isinstance(got, float | np.floating) and bool(np.isnan(got))
