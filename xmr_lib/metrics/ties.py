"""Equal scores: the one place that says what a metric does with them.

A model that gives every item the same score has ranked nothing, and its score should be that of guessing. A sort
hides this: it puts equal items in *some* order, and the number then depends on how the database happens to be stored.
Binary codes tie all the time (16 bits have 17 distances). Four rules:

``expected``     the exact mean over all orders of the tied items, in closed form (default: fair, order-free)
``optimistic``   relevant items first: an upper bound ("greater than" rank counting does this)
``pessimistic``  relevant items last: a lower bound
``index``        the smaller database index first: repeatable, but it changes when the database is reordered

The vocabulary of the closed forms: a *tie group* holds ``size`` items of equal score, ``relevant`` of them relevant;
``before`` items, ``relevant_before`` of them relevant, stand above it.

Source: McSherry and Najork, "Computing information retrieval performance measures efficiently in the presence of tied
scores", ECIR 2008.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

TIES = ("expected", "optimistic", "pessimistic", "index")


class TieGroups(NamedTuple):
    """The tie groups of one query from the top of its ranking, four vectors of equal length."""

    size: NDArray[Any]
    relevant: NDArray[Any]  # number of relevant items in the group (or the sum of their gains)
    before: NDArray[Any]
    relevant_before: NDArray[Any]


def shortlist(scores: NDArray[Any], depth: int | None) -> NDArray[np.int64]:
    """Indices of the ``depth`` best items, and of every item that ties with the last of them."""
    n = len(scores)
    if depth is None or depth >= n:
        return np.arange(n)
    threshold = np.sort(scores)[n - depth]  # np.partition takes twenty times as long when most scores are equal
    return np.flatnonzero(scores >= threshold)


def tie_groups(scores: NDArray[Any], gains: NDArray[Any], depth: int | None = None) -> TieGroups:
    """Collect the items of one query into groups of equal score, best first.

    Args:
        scores: (n,) similarity to the query.
        gains: (n,) bool relevance, or a gain per item.
        depth: Stop with the group that covers this rank. Default: the whole database.

    Example:
        >>> tie_groups(np.array([5, 1, 5, 3]), np.array([True, True, False, False]))._asdict()["size"]
        array([2, 1, 1])
    """
    values = np.sort(scores)  # plain values, ascending; an argsort takes many times as long when most are equal
    if depth is not None and depth < len(values):
        values = values[np.searchsorted(values, values[len(values) - depth]) :]
    start = np.flatnonzero(np.concatenate(([True], values[1:] != values[:-1])))
    size = np.diff(start, append=len(values))[::-1]
    paying = np.flatnonzero(gains)
    paying = paying[scores[paying] >= values[0]]
    group = np.searchsorted(values[start], scores[paying])
    kind = np.float64 if gains.dtype.kind == "f" else np.int64
    relevant = np.bincount(group, gains[paying], len(start)).astype(kind)[::-1]
    return TieGroups(size, relevant, np.cumsum(size) - size, np.cumsum(relevant) - relevant)


def ranked_gains(scores: NDArray[Any], gains: NDArray[Any], ties: str, depth: int | None = None) -> NDArray[Any]:
    """The gains of one query in rank order, with ties broken by a fixed rule (not ``"expected"``).

    Example:
        >>> ranked_gains(np.array([5, 1, 5]), np.array([False, False, True]), "optimistic")
        array([ True, False, False])
    """
    chosen = shortlist(scores, depth)
    comes_first = {"optimistic": gains[chosen], "pessimistic": -1.0 * gains[chosen], "index": -chosen}[ties]
    order = np.lexsort((comes_first, scores[chosen]))[::-1]
    return gains[chosen[order]][:depth]


def per_query(
    similarity: NDArray[Any],
    gains: NDArray[Any],
    ties: str,
    depth: int | NDArray[np.int64] | None,
    on_list: Callable[[NDArray[Any], int], float],
    on_groups: Callable[[TieGroups, int], float],
) -> NDArray[np.float64]:
    """Score every query that has a relevant item; the others stay 0.

    Args:
        similarity: (q, n).
        gains: (q, n) bool relevance or gains.
        ties: One of ``TIES``.
        depth: How many ranks matter: None (all), one number, or one number per query.
        on_list: ``on_list(gains in rank order, query index)``, for rankings without ties.
        on_groups: ``on_groups(tie groups, query index)``, the expectation over tied orders.

    Returns:
        (q,) float64.
    """
    values = np.zeros(len(similarity))
    depths = np.broadcast_to(len(similarity[0]) if depth is None else depth, len(similarity))
    for i in np.flatnonzero(gains.any(axis=1)):
        cut = int(depths[i])
        if ties != "expected":
            values[i] = on_list(ranked_gains(similarity[i], gains[i], ties, cut), int(i))
            continue
        groups = tie_groups(similarity[i], gains[i], cut)
        alone = groups.size.max() == 1
        values[i] = on_list(groups.relevant, int(i)) if alone else on_groups(groups, int(i))
    return values


@lru_cache(maxsize=8)
def harmonic(n: int) -> NDArray[np.float64]:
    """The harmonic numbers H_0 .. H_n: H_i = 1 + 1/2 + ... + 1/i, shape (n + 1,)."""
    return np.concatenate(([0.0], np.cumsum(1.0 / np.arange(1, n + 1))))


def expected_precision_sum(groups: TieGroups, slots: Any = None) -> NDArray[np.float64]:
    """Expected sum of rel_i * P@i over the ranks of each tie group, over all orders inside the group.

    A group of n items, r relevant, below N items, R relevant. An item at its position j is relevant with probability
    r/n, and then (j - 1) * a relevant ones are expected above it inside the group, a = (r - 1)/(n - 1). So the sum is

        r/n * sum_j (R + 1 + (j - 1) a) / (N + j) = r/n * [ (R + 1 - (N + 1) a) (H_{N+t} - H_N) + a t ].

    Args:
        groups: Vectors (or matrices) n, r, N, R.
        slots: t, how many positions of each group count; default: all of them.

    Example: three tied items below one item, two of the three relevant; each position adds 1/3.
        >>> expected_precision_sum(TieGroups(np.array([3]), np.array([2]), np.array([1]), np.array([0])))
        array([1.])
    """
    size, relevant, before, relevant_before = groups
    count = size if slots is None else slots
    last = before + count
    h = harmonic(1 << int(last.max(initial=0)).bit_length())  # a power of two: few tables, found in the cache
    slope = np.maximum(relevant - 1, 0) / np.maximum(size - 1, 1)
    inner = (relevant_before + 1 - (before + 1) * slope) * (h[last] - h[before]) + slope * count
    return relevant / np.maximum(size, 1) * inner


def expected_hits(groups: TieGroups, k: int) -> float:
    """Expected number of relevant items (or sum of gains) among the first ``k``."""
    slots = np.clip(k - groups.before, 0, groups.size)
    return float((groups.relevant * slots / groups.size).sum())
