"""MAP with a cut-off: one ranking, four numbers, depending on what the sum is divided by.

The sum of rel_i * P@i over the first k ranks is clear; the denominator is not:

``min``             min(k, R)     1 is reachable and more hits never hurt (default)
``hits``            hits(k)       DSCMR, ACMR ("MAP@50"), DJSRH, DCMH's topkMap, torchmetrics: finding one item and no
                                  more can score 1; a further hit can *lower* the value
``relevant``        R             trec_eval, ranx: tiny when R is far above k
``first_relevant``  not a cut-off at rank k at all: mean precision of the first min(k, R) relevant items, wherever they
                    are (``calc_map_k`` of the DCMH ports, DCHMT, DSPH)

Always hits >= min >= relevant. All four agree when k is the size of the database.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xmr_lib.errors import check_choice, check_positive
from xmr_lib.metrics.inputs import check_relevance, check_similarity
from xmr_lib.metrics.score import Score, average
from xmr_lib.metrics.ties import TIES, TieGroups, expected_precision_sum, per_query

DENOMINATORS = ("min", "hits", "relevant", "first_relevant")


def average_precision_at_k(
    ranked_relevance: Any, k: int, denominator: str = "min", total_relevant: int | None = None
) -> float:
    """AP of one ranking with a cut-off and a named denominator.

    Args:
        ranked_relevance: (n,) 0/1 in rank order.
        k: The cut-off.
        denominator: ``"min"``, ``"hits"``, ``"relevant"`` or ``"first_relevant"``, see the top of this file.
        total_relevant: R. Default: the ones in ``ranked_relevance``, right when that is the whole database.

    Returns:
        0..1; 0 without a hit.

    Example:
        >>> toy = [1, 0, 1, 0, 0, 1, 1, 1]
        >>> [round(average_precision_at_k(toy, 3, name), 3) for name in DENOMINATORS]
        [0.556, 0.833, 0.333, 0.722]
    """
    check_positive(k, "k")
    check_choice(denominator, DENOMINATORS, "denominator of MAP@k")
    ranks = np.flatnonzero(ranked_relevance) + 1
    total = len(ranks) if total_relevant is None else total_relevant
    precision = np.arange(1, len(ranks) + 1) / ranks
    counted = precision[:k] if denominator == "first_relevant" else precision[ranks <= k]
    by = {"hits": len(counted), "relevant": total}.get(denominator, min(k, total))
    return float(counted.sum() / by) if len(counted) else 0.0


def map_at_k(
    similarity: Any,
    relevance: Any,
    k: int,
    *,
    denominator: str = "min",
    ties: str = "expected",
    empty: str = "skip",
) -> Score:
    """MAP@k: the mean over queries of :func:`average_precision_at_k`.

    Say which denominator you print. On one ranking of 20,000 items with 2,000 relevant ones MAP@50 was .006
    (``relevant``), .241 (``min``), .443 (``first_relevant``) and .490 (``hits``).

    Args:
        similarity: (q, n) real scores, larger = more alike.
        relevance: (q, n) bool.
        k: The cut-off.
        denominator: See the top of this file.
        ties: See :mod:`xmr_lib.metrics.ties`.
        empty: Queries without a relevant item: ``"skip"`` or ``"zero"``.

    Returns:
        A float in 0..1 with ``.per_query`` and ``.empty``.

    Raises:
        InvalidInput: k is not positive, shapes differ, a score is NaN, or no query has a relevant item.
        UnknownName: No such denominator or tie rule.
    """
    check_positive(k, "k")
    check_choice(denominator, DENOMINATORS, "denominator of MAP@k")
    check_choice(ties, TIES, "tie rule")
    similarity = check_similarity(similarity)
    relevance = check_relevance(relevance, similarity.shape)
    total = relevance.sum(axis=1)

    def on_list(ranked: NDArray[Any], i: int) -> float:
        return average_precision_at_k(ranked, k, denominator, int(total[i]))

    def on_groups(groups: TieGroups, i: int) -> float:
        if denominator == "hits":
            return _expected_over_hits(groups, k)
        if denominator == "first_relevant":
            return _expected_first_relevant(groups, min(k, int(total[i])))
        return _expected_sum(groups, k) / (int(total[i]) if denominator == "relevant" else min(k, int(total[i])))

    depth = None if denominator == "first_relevant" else k
    return average(per_query(similarity, relevance, ties, depth, on_list, on_groups), total > 0, empty)


def map_at_r(similarity: Any, relevance: Any, *, ties: str = "expected", empty: str = "skip") -> Score:
    """MAP@R of metric learning: the cut-off is each query's own number of relevant items R.

    MAP@R = mean_q 1/R * sum_{i <= R} rel_i * P@i

    Not the "MAP@R" of hashing papers, where R is one fixed rank for all queries (that is :func:`map_at_k`).

    Arguments, result and errors as in :func:`map_at_k`.

    Source: Musgrave et al., "A metric learning reality check", ECCV 2020; ECCV Caption (Chun et al., ECCV 2022).
    """
    check_choice(ties, TIES, "tie rule")
    similarity = check_similarity(similarity)
    relevance = check_relevance(relevance, similarity.shape)
    total = relevance.sum(axis=1)
    values = per_query(
        similarity,
        relevance,
        ties,
        total,
        lambda ranked, i: average_precision_at_k(ranked, int(total[i]), "relevant", int(total[i])),
        lambda groups, i: _expected_sum(groups, int(total[i])) / int(total[i]),
    )
    return average(values, total > 0, empty)


def _expected_sum(groups: TieGroups, k: int) -> float:
    """Expected sum of rel_i * P@i over the first k ranks."""
    return float(expected_precision_sum(groups, np.clip(k - groups.before, 0, groups.size)).sum())


def _expected_over_hits(groups: TieGroups, k: int) -> float:
    """Expectation of (sum of rel_i * P@i over k ranks) / hits(k).

    Only the group that straddles rank k leaves hits(k) open. Given h hits among its t slots, those slots are a tie
    group of their own, (t, h); h is hypergeometric.
    """
    last = int(np.searchsorted(groups.before + groups.size, k))  # the group that contains rank k
    whole = float(expected_precision_sum(TieGroups(*(field[:last] for field in groups))).sum())
    if last == len(groups.size):  # k is larger than the database
        return whole / max(int(groups.relevant.sum()), 1)
    size, relevant, before, found = (int(field[last]) for field in groups)
    return _straddling_mean(size, relevant, before, found, k - before, whole)


@lru_cache(maxsize=1024)  # a constant model asks the same question for every query
def _straddling_mean(size: int, relevant: int, before: int, found: int, slots: int, whole: float) -> float:
    """The mean over h of (whole + expected sum inside) / (found + h)."""
    h = np.arange(min(slots, relevant) + 1)
    ones = np.ones_like(h)
    inside = expected_precision_sum(TieGroups(slots * ones, h, before * ones, found * ones))
    chance = hypergeometric(h, size, relevant, slots)
    return float((chance * (whole + inside) / np.maximum(found + h, 1)).sum())


@lru_cache(maxsize=1024)
def _first_of_group(size: int, relevant: int, before: int, found: int, wanted: int) -> float:
    """Expected sum of precisions at the first ``wanted`` relevant items of one group (``wanted`` < ``relevant``).

    Position p holds a relevant item with probability r/n; it counts if at most c = wanted - 1 relevant ones stand above
    it in the group. With X their number, E[(R + 1 + X); X <= c] needs two distribution functions, because
    E[X; X <= c] = E[X] * P(X' <= c - 1), X' drawn from a group with one item, a relevant one, less.
    """
    p = np.arange(1, size + 1)
    c = wanted - 1
    few = _at_most(c, size - 1, relevant - 1)[p - 1]
    fewer = _at_most(c - 1, size - 2, relevant - 2)[np.maximum(p - 2, 0)] if c > 0 else np.zeros(size)
    expected_above = (p - 1) * (relevant - 1) / (size - 1)
    return float((relevant / size * ((found + 1) * few + expected_above * fewer) / (before + p)).sum())


def _expected_first_relevant(groups: TieGroups, count: int) -> float:
    """Expected mean precision of the first ``count`` relevant items."""
    full = groups.relevant_before + groups.relevant <= count
    value = float(expected_precision_sum(TieGroups(*(field[full] for field in groups))).sum())
    partly = np.flatnonzero(~full & (groups.relevant_before < count))
    if len(partly):
        size, relevant, before, found = (int(field[partly[0]]) for field in groups)
        value += _first_of_group(size, relevant, before, found, count - found)
    return value / count


def hypergeometric(h: NDArray[np.int64], size: int, relevant: int, draws: int | NDArray[np.int64]) -> NDArray[Any]:
    """Probability of h relevant items among ``draws`` items taken from ``size``, ``relevant`` of them relevant."""
    ways = _log_choose(relevant, h) + _log_choose(size - relevant, draws - h) - _log_choose(size, draws)
    return np.exp(ways)


def _at_most(c: int, size: int, relevant: int) -> NDArray[np.float64]:
    """P(at most c relevant among the first x of a random order), for x = 0 .. size; shape (size + 1,).

    One minus the chance that relevant item number c + 1 came at some rank up to x: it comes at rank x when c of the
    x - 1 before it are relevant and it is one of the others.
    """
    if c >= relevant:
        return np.ones(size + 1)
    x = np.arange(1, size + 1)
    arrival = hypergeometric(np.full(size, c), size, relevant, x - 1) * (relevant - c) / (size - x + 1)
    return np.concatenate(([1.0], 1.0 - np.cumsum(arrival)))


def _log_choose(n: Any, k: Any) -> NDArray[np.float64]:
    """log of n over k; minus infinity where it is zero (k < 0 or k > n)."""
    from scipy.special import gammaln

    n, k = np.broadcast_arrays(np.asarray(n, dtype=float), np.asarray(k, dtype=float))
    inside = (k >= 0) & (k <= n)
    k = np.where(inside, k, 0.0)
    return np.where(inside, gammaln(n + 1) - gammaln(k + 1) - gammaln(n - k + 1), -np.inf)
